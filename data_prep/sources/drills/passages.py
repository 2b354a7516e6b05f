"""Sentences and passages of books, from random places: what lies between the facts, and what is read for its own sake.

in : text files      out: draws from them, decided by a generator
"""

import re
from collections.abc import Sequence
from pathlib import Path
from random import Random

from contracts.errors import InputError

SHORTEST, LONGEST = 30, 200  # characters of a sentence
SENTENCE_END = re.compile(r"(?<=[.!?]) (?=[A-Z])")


class Passages:
    """The text of some books, in memory."""

    def __init__(self, books: Sequence[Path]) -> None:
        """Read the books; InputError where they hold no sentence of a usable length."""
        self.texts = [path.read_text(encoding="utf-8", errors="replace") for path in books]
        self.sentences = [sentence for text in self.texts for sentence in sentences_of(text)]
        if not self.sentences:
            raise InputError(f"{books[0].parent}: the books hold no sentence of {SHORTEST} to {LONGEST} characters")
        self.starts = [0]
        for text in self.texts:
            self.starts.append(self.starts[-1] + len(text))

    def sentence(self, generator: Random) -> str:
        """One sentence on one line."""
        return generator.choice(self.sentences)

    def fill(self, generator: Random, characters: int) -> list[str]:
        """Sentences that have at most `characters` together, a character between them."""
        chosen: list[str] = []
        while True:
            sentence = self.sentence(generator)
            characters -= len(sentence) + 1
            if characters < 0:
                return chosen
            chosen.append(sentence)

    def passage(self, generator: Random, characters: int) -> str:
        """Text of at most `characters`, from the beginning of a word on; every place is as likely as any other."""
        (text,) = generator.choices(self.texts, [max(len(text) - characters, 1) for text in self.texts])
        start = generator.randrange(max(len(text) - characters, 1))
        return text[start : start + characters].split(" ", 1)[-1]


def sentences_of(text: str) -> list[str]:
    """The sentences of usable length, line breaks read as spaces."""
    sentences = SENTENCE_END.split(" ".join(text.split()))
    return [sentence for sentence in sentences if SHORTEST <= len(sentence) <= LONGEST]
