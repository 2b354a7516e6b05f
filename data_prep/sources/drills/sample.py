"""A drill in the making: pieces of text, each with what it is; and which drills a split may hold."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from contracts.held_out import is_held_out
from data_prep.sources.source import Drill

DIGITS = 16  # of a digest that a list has


@dataclass(frozen=True)
class Piece:
    """A part of a drill: `answer` is learned, `evidence` is what an answer rests on, `text` is neither."""

    text: str
    kind: str = "text"


def drill_of(name: str, pieces: Iterable[Piece]) -> Drill:
    """The pieces as one text with the places of answers and evidence."""
    text, spans = "", {"answer": [], "evidence": [], "text": []}
    for piece in pieces:
        spans[piece.kind].append((len(text), len(text) + len(piece.text)))
        text += piece.text
    return Drill(name, text, tuple(spans["answer"]), tuple(spans["evidence"]))


def length_of(pieces: Iterable[Piece]) -> int:
    """Characters."""
    return sum(len(piece.text) for piece in pieces)


def digest_of(text: str) -> str:
    """What stands for a story or a needle value in a list of those that are held out."""
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


@dataclass(frozen=True)
class Admission:
    """Which stories and values a split may hold: no two splits share one, and none holds what is held out."""

    split: str
    held_out: frozenset[str] = frozenset()

    def admits(self, text: str) -> bool:
        """Whether the split may hold the story or value that `text` spells."""
        return digest_of(text) not in self.held_out and is_held_out(text) == (self.split != "train")
