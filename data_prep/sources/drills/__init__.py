"""Generated samples that teach a small model to retrieve: copying, needles, stories, and passages of books.

in : a PG-19 folder (its split's books give the sentences between the facts), corpus.drills
out: a Drill per sample, a Document per passage of a book
Invariants: sample i of a split is a function of the settings, the books and i alone, so the bytes do not depend on
shards or workers; no story and no needle value lies in two splits, and none is held out (sample.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random

from contracts.errors import InputError
from data_prep.settings import DRILL_KINDS, CorpusSettings, DrillSettings
from data_prep.sources import pg19
from data_prep.sources.drills.copying import echoes, pairs, repeats
from data_prep.sources.drills.needles import needles
from data_prep.sources.drills.passages import Passages
from data_prep.sources.drills.sample import Admission, drill_of
from data_prep.sources.drills.stories import stories
from data_prep.sources.source import Document, Drill, Part, Shard, shards_of_parts

SPLITS = ("train", "validation")
COPYING = {"echoes": echoes, "pairs": pairs, "repeats": repeats}
PART_SAMPLES = 256  # samples of a part: a shard is some parts


@dataclass(frozen=True)
class Drills:
    """One split of the samples; see data_prep.sources.source.Source."""

    name: str
    root: Path
    split: str
    books: tuple[Path, ...]
    settings: DrillSettings
    paths: tuple[Path, ...] = ()
    facts: dict[str, int] = field(default_factory=dict)

    def files(self) -> Sequence[Path]:
        return self.books

    def shards(self, size: int) -> Sequence[Shard]:
        samples = self.settings.samples if self.split == "train" else self.settings.validation_samples
        parts = [
            Part(
                self.root,
                PART_SAMPLES * self.settings.characters_max,
                begin,
                min(begin + PART_SAMPLES, samples),
                begin + 1,
            )
            for begin in range(0, samples, PART_SAMPLES)
        ]
        return shards_of_parts(parts, size)

    def records(self, shard: Shard) -> Iterator[Document | Drill]:
        passages = passages_of(self.books)
        admission = Admission(self.split, frozenset(self.settings.held_out))
        for part in shard.parts:
            for number in range(part.begin, part.end):
                yield sample(number, self.settings, passages, admission)


def open_source(corpus: CorpusSettings, split: str) -> Drills:
    """The samples of one split; InputError without settings, or without the books of that split."""
    if corpus.drills is None:
        raise InputError("corpus.source drills: no corpus.drills; say there what is to be generated")
    if split not in SPLITS:
        raise InputError(f"drills: no split {split}; there are {', '.join(SPLITS)}")
    books = pg19.open_source(corpus, split)
    return Drills(f"drills/{split}", books.root, split, books.paths, corpus.drills)


@cache
def passages_of(books: tuple[Path, ...]) -> Passages:
    """The books of this process, read once."""
    return Passages(books)


def sample(number: int, settings: DrillSettings, passages: Passages, admission: Admission) -> Document | Drill:
    """Sample `number` of a split."""
    generator = Random(f"{settings.seed}/{admission.split}/{number}")
    (kind,) = generator.choices(DRILL_KINDS, [getattr(settings, each) for each in DRILL_KINDS])
    # The density falls with the square of the length: every octave of lengths has as many characters.
    characters = round(1 / generator.uniform(1 / settings.characters_max, 1 / settings.characters_min))
    name = f"{kind}-{number}"
    if kind == "books":
        return Document(name, passages.passage(generator, characters))
    if kind in COPYING:
        return drill_of(name, COPYING[kind](generator, characters, passages, settings))
    made = {"needles": needles, "stories": stories}[kind]
    return drill_of(name, made(generator, characters, settings, passages, admission))
