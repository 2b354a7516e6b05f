"""The sections of the configuration that this room reads, one class each, in the order of the work."""

import math
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, model_validator

from contracts.settings import Settings
from data_prep.sources import ENCODERS


class FetchedFile(Settings):
    """One file to download; its key in `fetch` is the path to write."""

    url: str = Field(pattern=r"^https?://", description="address of the file")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="hash of its bytes, in hexadecimal")


class TokenizerSettings(Settings):
    """A sentencepiece BPE vocabulary trained on the corpus, unless `path` names a tokenizer."""

    path: str | None = Field(
        None, description="a given tokenizer (folder, .model or tokenizer.json); null: train one on the corpus"
    )
    split: str = Field("train", description="the split of the corpus to train on")
    vocab_size: int = Field(
        32768, ge=360, description="tokens, with 256 bytes and 3 special tokens (only when trained here)"
    )
    character_coverage: float = Field(
        0.9995, gt=0.9, le=1.0, description="share of the text's characters that get a token; others become bytes"
    )
    max_piece_length: int = Field(16, ge=1, le=256, description="characters of the longest token")
    training_characters: int | None = Field(
        200_000_000,
        ge=1,
        description="characters to train on at most, in whole documents spread over the corpus; null: all of it",
    )


DRILL_KINDS = ("echoes", "pairs", "repeats", "needles", "stories", "books")


class DrillSettings(Settings):
    """How many samples are generated, how long they are, and what they are made of."""

    samples: int = Field(1000, ge=1, description="samples of the split train (count)")
    validation_samples: int = Field(100, ge=1, description="samples of the split validation (count)")
    characters_min: int = Field(150, ge=20, description="length of the shortest sample (characters)")
    characters_max: int = Field(
        1500,
        ge=20,
        description="length of the longest sample (characters); short and long ones have as many characters in all",
    )
    echoes: float = Field(0.0, ge=0, description="share of samples of echoes, a b a, to begin with (a weight)")
    fact_echoes: float = Field(
        0.0, ge=0, le=1, description="share of echoes that are a story's facts, each with its person again"
    )
    pairs: float = Field(
        0.0, ge=0, description="share of samples of pairs a b, in which b is to follow a again (a weight)"
    )
    fact_pairs: float = Field(
        0.0, ge=0, le=1, description="share of pairs that are told as facts (who took what) and asked from the thing"
    )
    backward: float = Field(
        0.0, ge=0, le=1, description="share of questions about a pair that give b and ask for a; late: it delays pairs"
    )
    repeats: float = Field(
        1.0, ge=0, description="share of samples in which stretches of words come again at random distances (a weight)"
    )
    needles: float = Field(1.0, ge=0, description="share of samples that hide numbers, in RULER's words (a weight)")
    stories: float = Field(1.0, ge=0, description="share of stories of persons, things and places (a weight)")
    books: float = Field(1.0, ge=0, description="share of passages of the books, learned as a whole (a weight)")
    hops: tuple[int, ...] = Field((1, 2, 3, 4), min_length=1, description="facts that a story's question rests on")
    chains_max: int = Field(5, ge=1, description="most chains of facts in a story, each with a question (count)")
    others_max: int = Field(4, ge=0, description="most facts of a story that no question rests on (count)")
    direct: float = Field(
        0.3, ge=0, le=1, description="share of stories whose answer is the place alone; the others name the chain"
    )
    instruction: bool = Field(
        True, description="tell before a story's questions how to answer; false: for samples too short for it"
    )
    noise: float = Field(
        0.5, ge=0, le=1, description="share of needle samples hidden in RULER's noise; the others lie among sentences"
    )
    needles_max: int = Field(4, ge=1, description="most needles in a sample, each with a question (count)")
    held_out: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")], ...] = Field(
        (),
        description="stories and needle values that are never drawn, those of a test: the first 16 hexadecimal digits "
        "of the SHA-256 of a value, or of a story's facts and question, a line each",
    )
    seed: int = Field(0, description="decides every sample")

    @model_validator(mode="after")
    def something_is_drawn(self) -> "DrillSettings":
        """Ranges are in order, hops are those that a story can have, and some kind has a weight."""
        if self.characters_min > self.characters_max:
            raise ValueError("characters_min is above characters_max; swap them")
        if not set(self.hops) <= {1, 2, 3, 4}:
            raise ValueError("hops: a question rests on 1, 2, 3 or 4 facts")
        if not any(getattr(self, kind) for kind in DRILL_KINDS):
            raise ValueError(f"no kind of sample has a weight; give one of {', '.join(DRILL_KINDS)}")
        return self


class NqDistractors(Settings):
    """How the passages of a question of Natural Questions are laid out."""

    distractors: int = Field(
        19, ge=0, description="passages without the answer beside the one with it (count); fewer where there are fewer"
    )
    gold_depth: float | None = Field(
        None,
        ge=0,
        le=1,
        description="place of the passage with the answer (0 first, 1 last); null: a place of each question",
    )
    seed: int = Field(0, description="decides places, and which passages of other questions are taken")


LineEnds = Literal["lf", "keep"]
SourceName = Literal[tuple(ENCODERS)]


class CorpusSettings(Settings):
    """Where the documents come from. Each field is also a flag of the commands that read a corpus."""

    source: SourceName = Field("pg19", description="format of the corpus (a module of data_prep.sources)")
    path: str = Field(description="folder or file of the corpus, relative to the working folder")
    line_ends: LineEnds = Field(
        "lf", description="lf: CRLF and lone CR are read as LF (PG-19 is published with CRLF); keep: as they are"
    )
    text_field: str = Field("text", description="source text: the field of a record (.jsonl, .parquet) with its text")
    id_field: str = Field(
        "id", description="the field of a record with its id; a record without it is named file:number"
    )
    on_bad_record: Literal["stop", "quarantine"] = Field(
        "stop",
        description="stop: the first record that cannot be read ends the run in one line; quarantine: it goes to "
        "quarantine.jsonl with its reason and is counted",
    )
    max_record_megabytes: int = Field(
        64, ge=1, description="megabytes (10^6 bytes) of the longest record; it is held in memory whole"
    )

    drills: DrillSettings | None = Field(
        None,
        description="source drills: the samples that are generated between the sentences of `path`, a PG-19 folder",
    )
    nq: NqDistractors | None = Field(
        None, description="source nq: the passages around the one with the answer; null: 19 of them, in any place"
    )

    def decisive(self) -> dict:
        """What the bytes of the output depend on: all but the place."""
        return self.model_dump(exclude={"path"})


class SampleSettings(Settings):
    """Which supervised samples are kept, and how they become a conversation (all sources with questions)."""

    min_tokens: int = Field(16_384, ge=1, description="tokens of the shortest sample that is kept, template included")
    max_tokens: int = Field(131_072, ge=1, description="tokens of the longest sample that is kept, template included")
    min_evidence: int = Field(2, ge=0, description="fewest supporting passages of a sample, where they are known")
    max_evidence: int = Field(6, ge=0, description="most supporting passages of a sample, where they are known")
    languages: tuple[str, ...] = Field(
        ("en",), description="languages that are kept, where a record names its own; empty: all"
    )
    chat_template: str | None = Field(
        None, description="file with the target model's chat template (Jinja); null: the one beside the tokenizer"
    )
    template_date: str = Field(
        "2024-07-26",
        pattern=r"^\d{4}-\d{2}-\d{2}$",
        description="the day (year-month-day) for a template that asks for today's",
    )

    @model_validator(mode="after")
    def ranges_are_not_empty(self) -> "SampleSettings":
        """The least is at most the most."""
        for least, most in (("min_tokens", "max_tokens"), ("min_evidence", "max_evidence")):
            if getattr(self, least) > getattr(self, most):
                raise ValueError(f"{least} {getattr(self, least)} is above {most} {getattr(self, most)}")
        return self


class TokenizeSettings(Settings):
    """How documents become tokens. The number of workers is no setting: it never changes a byte."""

    bos: bool = Field(False, description="put the tokenizer's BOS before every document")
    eos: bool = Field(True, description="put the tokenizer's EOS after every document")
    shard_megabytes: int = Field(
        32, ge=1, description="megabytes (10^6 bytes) of source text per tokens file, in whole documents"
    )
    samples: SampleSettings = Field(
        default_factory=SampleSettings, description="which samples are kept, and their chat template"
    )


SETS = ("longmit", "longalpaca")


class MixPart(Settings):
    """What is drawn from one set of samples."""

    path: str | None = Field(None, description="file or folder of the set, relative to the working folder")
    samples: int = Field(0, ge=0, description="samples for training")
    validation_samples: int = Field(0, ge=0, description="samples held back for validation; never among the others")
    evidence: tuple[int, ...] = Field(
        (), description="numbers of supporting passages that are drawn equally often; empty: whatever there is"
    )
    min_tokens: int | None = Field(
        None, ge=1, description="tokens of the shortest sample of this set; null: tokenize.samples.min_tokens"
    )

    def wanted(self, split: str) -> int:
        """The samples that a split gets."""
        return self.samples if split == "train" else self.validation_samples


class LongMITPart(MixPart):
    """The paper's: 7,000 samples, equally many with 2, 3, 4, 5 and 6 supporting passages."""

    samples: int = Field(7000, ge=0, description="samples for training")
    evidence: tuple[int, ...] = Field(
        (2, 3, 4, 5, 6),
        description="numbers of supporting passages that are drawn equally often; empty: whatever there is",
    )


class LongAlpacaPart(MixPart):
    """The paper's: 1,000 samples."""

    samples: int = Field(1000, ge=0, description="samples for training")


class MixSettings(Settings):
    """Samples of several sets, shuffled together once. Leaving `mix` out trains on the corpus instead."""

    longmit: LongMITPart | None = Field(
        None, description="LongMIT: multi-hop questions with known evidence; null or left out: none of it"
    )
    longalpaca: LongAlpacaPart | None = Field(
        None, description="LongAlpaca: questions about long documents; null or left out: none of it"
    )
    seed: int = Field(0, description="decides which samples are drawn, and their order")

    @model_validator(mode="after")
    def something_is_drawn(self) -> "MixSettings":
        """A mix of nothing is a mistake."""
        if not any(part.samples for part in self.parts().values()):
            raise ValueError(f"no samples for training; give one of {', '.join(SETS)}, with samples")
        return self

    def parts(self) -> dict[str, MixPart]:
        """The sets that are drawn from, by name."""
        parts = {name: getattr(self, name) for name in SETS}
        return {name: part for name, part in parts.items() if part is not None}


def paper_mix(sets: Iterable[str] = SETS) -> MixSettings:
    """The paper's numbers for some of its sets."""
    return MixSettings.model_validate({name: {} for name in sets})


class AugmentSettings(Settings):
    """How x' is made from a sample x: which chunks of its long text stay, and what becomes of the others.

    The paper (arXiv 2411.05928) gives none of these values; all defaults are ours.
    """

    top_k: int | None = Field(None, ge=1, description="best chunks that stay (count); null: a share of them")
    share: float | None = Field(
        None, gt=0, le=1, description="share of a sample's chunks that stays, rounded up; null and no top_k: 0.2"
    )
    mask_token: str | int | None = Field(
        None,
        description="what stands for each token of the other chunks: a special token of the tokenizer, by name or id; "
        "null: a new id after the tokenizer's last, for which the model needs a row more",
    )
    replace: Literal["mask", "drop"] = Field(
        "mask", description="mask: length and positions stay; drop: the other chunks are cut out (the paper's ablation)"
    )

    @model_validator(mode="after")
    def one_says_how_many(self) -> "AugmentSettings":
        """Count or share."""
        if self.top_k is not None and self.share is not None:
            raise ValueError("both top_k and share are given; leave one out")
        return self

    def kept(self, chunks: int) -> int:
        """How many of so many chunks stay; a top_k may be more than there are."""
        return self.top_k or math.ceil((self.share or 0.2) * chunks)


# A row is held in memory whole and counted in 32 bits: 2^27 tokens are half a gigabyte, 128 times a million.
MOST_LENGTH = 1 << 27


class PackSettings(Settings):
    """How tokenized documents fill rows of one length."""

    length: int = Field(ge=2, le=MOST_LENGTH, description="tokens per row")
    alignment: int = Field(
        1,
        ge=1,
        description="tokens; every segment is padded to a multiple of it (lcm of 2 x context parallel size and "
        "context x tensor parallel size)",
    )
    mode: Literal["concat", "best-fit", "truncate"] = Field(
        "concat",
        description="concat: cut documents longer than a row into rows and pack the tails together by best fit; "
        "no token is lost. best-fit: the same, and supervised samples stay whole (one longer than a row is dropped "
        "and counted). truncate: the first row of each document, in their order; shorter documents are dropped",
    )
    block_diagonal: bool = Field(
        True,
        description="true: each document of a row is a segment that attends to itself only; false: one segment per row",
    )
    rows: int | None = Field(None, ge=1, description="rows to keep at most; null: all")
    shuffle_seed: int | None = Field(
        0, description="seed of the order of the rows; null: rows in the order of the documents, tails last"
    )

    @model_validator(mode="after")
    def length_is_aligned(self) -> "PackSettings":
        """A row is a whole number of alignments, or it could not be tiled by segments."""
        if self.length % self.alignment:
            below = self.length // self.alignment * self.alignment
            raise ValueError(
                f"length {self.length} is not a multiple of alignment {self.alignment}; "
                f"take {below + self.alignment}" + (f" or {below}" if below >= 2 else "")
            )
        return self
