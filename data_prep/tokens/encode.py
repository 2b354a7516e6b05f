"""What a record becomes: documents, drills and samples as tokens, with spans of what is learned and what it rests on.

in : a Document, Drill or Sample      out: Encoded, or a BadRecord where it has no tokens; an unwanted one says why
Spans are half-open and counted in tokens from the start of the record.
A document is its whole text, with the BOS and EOS of the settings. So is a drill, whose
answers are labels, and what they rest on evidence; a token is learned if any of its characters is an answer's, and the
EOS where the text ends in an answer.
A sample is the chat template around question and answer: its ids are those of the rendered conversation, special tokens
of the template as such; labels are the answer's tokens and those that end its turn, so that the model learns to stop;
nothing of the prompt is learned.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from contracts.chat_template import ChatFrame, chat_frame
from contracts.errors import InputError
from contracts.tokenizer import Tokenizer
from data_prep.settings import CorpusSettings, SampleSettings, TokenizeSettings
from data_prep.sources.source import BadRecord, Document, Drill, Sample, with_line_ends

TokenSpans = list[tuple[int, int]]
NO_TOKENS = np.zeros(0, dtype=np.int32)

# A mark on the characters of a run: what they are.
Mark = tuple[str, int, int]
# Marks whose spans have the tokens that lie in them whole: masking the long text takes no word around it.
# The others have every token with one of their characters.
WHOLE_TOKENS = ("context",)


@dataclass(frozen=True)
class Encoded:
    """The tokens of one record."""

    ids: np.ndarray  # int32 [tokens]
    characters: int  # of the record as published
    added: int = 0  # special tokens among the ids: BOS, EOS, those of a chat template
    dropped_characters: Mapping[str, int] = field(default_factory=dict)  # {reason: characters} of a record that is kept
    label_spans: TokenSpans | None = None  # None: every token is learned
    evidence_spans: TokenSpans | None = None  # None: not known
    left_out: str | None = None  # the reason why the settings do not want this record
    question_spans: TokenSpans | None = None  # None: not known
    context_spans: TokenSpans | None = None


class Encoder(Protocol):
    """Turns the records of one kind of source into tokens."""

    def encode(self, record: Document | Sample) -> Encoded | BadRecord:
        """The tokens of a record; a BadRecord where it has none."""


class DocumentEncoder:
    """See Encoder."""

    def __init__(self, tokenizer: Tokenizer, settings: TokenizeSettings, corpus: CorpusSettings) -> None:
        self.tokenizer = tokenizer
        self.line_ends = corpus.line_ends
        self.before = [tokenizer.bos_id] if settings.bos else []
        self.after = [tokenizer.eos_id] if settings.eos else []

    def encode(self, record: Document) -> Encoded | BadRecord:
        text = with_line_ends(record.text, self.line_ends)
        tokens = self.tokenizer.encode_array(text)
        if not len(tokens):
            return BadRecord(record.where, "no tokens", f"document {record.id} has no tokens", "remove it")
        added = len(self.before) + len(self.after)
        ids = np.concatenate([self.before, tokens, self.after]).astype(np.int32) if added else tokens
        returns = len(record.text) - len(text)
        return Encoded(ids, len(record.text), added, {"CR of CRLF line ends": returns} if returns else {})


def document_encoder(
    tokenizer: Tokenizer, settings: TokenizeSettings, corpus: CorpusSettings, template: str
) -> DocumentEncoder:
    """The encoder of a process; documents need no chat template."""
    return DocumentEncoder(tokenizer, settings, corpus)


@dataclass
class Conversation:
    """A conversation in the making: texts and special tokens, which are encoded together."""

    tokenizer: Tokenizer
    pieces: list[str | int] = field(default_factory=list)  # texts, and ids of special tokens
    length: int = 0  # characters so far, with the special tokens spelled out
    marks: list[Mark] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)  # once it is encoded
    spans: dict[str, TokenSpans] = field(default_factory=dict)  # of each kind of mark

    @property
    def added(self) -> int:
        """Special tokens among the ids."""
        return int(np.isin(self.ids, list(self.tokenizer.special_tokens.values())).sum())

    def add_text(self, text: str, marks: list[Mark] | None = None) -> None:
        """Go on with `text`; marks count its characters."""
        self.marks += [(kind, self.length + begin, self.length + end) for kind, begin, end in marks or []]
        self.pieces.append(text)
        self.length += len(text)

    def add_special(self, token: int, kind: str | None = None) -> None:
        """Go on with one special token, marked as `kind`."""
        width = len(self.tokenizer.names[token])
        self.marks += [(kind, self.length, self.length + width)] if kind else []
        self.pieces.append(token)
        self.length += width

    def add_outside(self, token: int, kind: str | None = None) -> None:
        """Add a token that is no part of the text, marked as `kind`: BOS before all of it, EOS after the rest."""
        if kind:
            self.spans.setdefault(kind, []).append((len(self.ids), len(self.ids) + 1))
        self.ids.append(token)

    def encode(self) -> None:
        """Encode all pieces; marks on characters become spans of tokens."""
        ids, offsets = self.tokenizer.encode_pieces(self.pieces)
        begins, ends = np.array(offsets, dtype=np.int64).reshape(-1, 2).T
        for kind, begin, end in self.marks:
            if kind in WHOLE_TOKENS:
                first = int(np.searchsorted(begins, begin, side="left"))
                beyond = int(np.searchsorted(ends, end, side="right"))
            else:
                first = int(np.searchsorted(ends, begin, side="right"))
                beyond = int(np.searchsorted(begins, end, side="left"))
            if first < beyond:
                self.spans.setdefault(kind, []).append((len(self.ids) + first, len(self.ids) + beyond))
        self.ids += ids


class SampleEncoder:
    """See Encoder."""

    def __init__(self, tokenizer: Tokenizer, settings: TokenizeSettings, frame: ChatFrame) -> None:
        self.tokenizer = tokenizer
        self.wanted = settings.samples
        self.frame = frame
        self.outside = outside_tokens(frame, tokenizer, settings)

    def encode(self, record: Sample) -> Encoded | BadRecord:
        reason = unwanted(record, self.wanted)
        if reason:
            return Encoded(NO_TOKENS, record.characters, left_out=reason)
        conversation = self.conversation(record)
        ids = np.array(conversation.ids, dtype=np.int32)
        labels = joined(conversation.spans.get("answer", []))
        if not labels:
            return BadRecord(record.where, "no tokens", f"the answer of sample {record.id} has no tokens", "remove it")
        evidence = None if record.evidence is None else conversation.spans.get("evidence", [])
        return Encoded(
            ids,
            record.characters,
            conversation.added,
            record.dropped_characters,
            labels,
            evidence,
            wrong_length(len(ids), self.wanted),
            joined(conversation.spans.get("question", [])) if record.question else None,
            conversation.spans.get("context", []) if record.context else None,
        )

    def conversation(self, record: Sample) -> Conversation:
        """The template's pieces with the two messages between them."""
        made = Conversation(self.tokenizer)
        bos, eos = self.outside
        if bos is not None:
            made.add_outside(bos)
        add_pieces(made, self.frame.before)
        marks = {
            "evidence": record.evidence,
            "context": record.context,
            "question": record.question and [record.question],
        }
        made.add_text(record.prompt, [(kind, *span) for kind, spans in marks.items() for span in spans or ()])
        add_pieces(made, self.frame.between)
        made.add_text(record.answer, [("answer", 0, len(record.answer))])
        last = len(self.frame.after) - 1
        stop = next((place for place, piece in enumerate(self.frame.after) if isinstance(piece, int)), last)
        add_pieces(made, self.frame.after[: stop + 1], "answer")
        add_pieces(made, self.frame.after[stop + 1 :])
        made.encode()
        if eos is not None:
            made.add_outside(eos, "answer")
        return made


def add_pieces(made: Conversation, pieces: tuple[str | int, ...], kind: str | None = None) -> None:
    """Add literal pieces of the template, all of them marked as `kind`."""
    for piece in pieces:
        if isinstance(piece, int):
            made.add_special(piece, kind)
        else:
            made.add_text(piece, [(kind, 0, len(piece))] if kind else None)


def outside_tokens(frame: ChatFrame, tokenizer: Tokenizer, settings: TokenizeSettings) -> tuple[int | None, int | None]:
    """The BOS and EOS that the settings ask for, where the template has none of its own."""
    bos = tokenizer.bos_id if settings.bos and frame.before[:1] != (tokenizer.bos_id,) else None
    if any(isinstance(piece, int) for piece in frame.after):
        return bos, None
    if not settings.eos:
        raise InputError("chat template: no special token ends an answer; set tokenize.eos: true or choose another")
    return bos, tokenizer.eos_id


def unwanted(record: Sample, wanted: SampleSettings) -> str | None:
    """The reason why the settings do not want a sample, as far as its text tells."""
    if record.language is not None and wanted.languages and record.language not in wanted.languages:
        return "another language"
    if record.evidence is not None and len(record.evidence) < wanted.min_evidence:
        return "fewer supporting passages than min_evidence"
    if record.evidence is not None and len(record.evidence) > wanted.max_evidence:
        return "more supporting passages than max_evidence"
    return None


def wrong_length(tokens: int, wanted: SampleSettings) -> str | None:
    """The reason why the settings do not want a sample of so many tokens."""
    if tokens < wanted.min_tokens:
        return "shorter than min_tokens"
    return "longer than max_tokens" if tokens > wanted.max_tokens else None


def joined(spans: TokenSpans) -> TokenSpans:
    """Spans that touch or overlap become one."""
    merged: TokenSpans = []
    for begin, end in spans:
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def sample_encoder(
    tokenizer: Tokenizer, settings: TokenizeSettings, corpus: CorpusSettings, template: str
) -> SampleEncoder:
    """The encoder of a process."""
    date = settings.samples.template_date
    frame = chat_frame(template, tokenizer.special_tokens, tokenizer.bos_id, tokenizer.eos_id, date)
    return SampleEncoder(tokenizer, settings, frame)


class QuestionEncoder(SampleEncoder):
    """See Encoder. Every sample's question and long text have their places."""

    def encode(self, record: Sample) -> Encoded | BadRecord:
        encoded = super().encode(record)
        if isinstance(encoded, BadRecord) or encoded.left_out or (encoded.question_spans and encoded.context_spans):
            return encoded
        what = "long text" if encoded.question_spans else "question"
        return BadRecord(record.where, "no tokens", f"the {what} of sample {record.id} has no tokens", "remove it")


def question_encoder(
    tokenizer: Tokenizer, settings: TokenizeSettings, corpus: CorpusSettings, template: str
) -> QuestionEncoder:
    """The encoder of a process; these sets are not chosen by their supporting passages or their language."""
    any_sample = {"min_evidence": 0, "max_evidence": sys.maxsize, "languages": ()}
    chosen = settings.samples.model_copy(update=any_sample)
    made = sample_encoder(tokenizer, settings.model_copy(update={"samples": chosen}), corpus, template)
    return QuestionEncoder(tokenizer, settings.model_copy(update={"samples": chosen}), made.frame)


class DrillEncoder:
    """See Encoder."""

    def __init__(self, tokenizer: Tokenizer, settings: TokenizeSettings, corpus: CorpusSettings) -> None:
        self.tokenizer, self.settings = tokenizer, settings
        self.passages = DocumentEncoder(tokenizer, settings.model_copy(update={"eos": False}), corpus)

    def encode(self, record: Drill | Document) -> Encoded | BadRecord:
        if isinstance(record, Document):
            # A passage ends anywhere: no EOS is learned there.
            return self.passages.encode(record)
        made = Conversation(self.tokenizer)
        if self.settings.bos:
            made.add_outside(self.tokenizer.bos_id)
        marks = [("answer", *span) for span in record.answers] + [("evidence", *span) for span in record.evidence]
        made.add_text(record.text, marks)
        made.encode()
        if self.settings.eos:
            ends_in_answer = bool(record.answers) and record.answers[-1][1] == len(record.text)
            made.add_outside(self.tokenizer.eos_id, "answer" if ends_in_answer else None)
        labels, evidence = (joined(made.spans.get(kind, [])) for kind in ("answer", "evidence"))
        ids = np.array(made.ids, dtype=np.int32)
        return Encoded(ids, len(record.text), made.added, label_spans=labels, evidence_spans=evidence)


def drill_encoder(
    tokenizer: Tokenizer, settings: TokenizeSettings, corpus: CorpusSettings, template: str
) -> DrillEncoder:
    """The encoder of a process; drills need no chat template."""
    return DrillEncoder(tokenizer, settings, corpus)
