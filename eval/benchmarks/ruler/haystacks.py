"""Where RULER hides its needles: repeated noise, essays, or lines that are needles themselves.

A haystack knows how many tokens its first `units` units take and how to hide needles among them. Units are lines
(noise, needle) or words (essay), as in the official generator; the essay's needles go between sentences.
"""

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import nltk
import numpy as np

from contracts.errors import InputError
from contracts.tokenizer import Tokenizer
from eval.building.filling import cumulative, piece_tokens

# Needles lie in the essay at depths (percent) from 40 even steps, rounded.
DEPTHS = tuple(int(depth) for depth in np.round(np.linspace(0, 100, num=40)))
# Where more of the lines are needed than were counted, they are counted in steps of so many.
LINES_AT_A_TIME = 256


class NoiseLines:
    """The same line again and again."""

    def __init__(self, tokenizer: Tokenizer, line: str) -> None:
        self.line = line
        self.cost = piece_tokens(tokenizer, [f"{line}\n"], before="\n")[0]

    def tokens(self, units: int) -> int:
        """Tokens of the first `units` lines, each with its line break."""
        return units * self.cost

    def take(self, units: int) -> list[str]:
        """The first `units` lines."""
        return [self.line] * units


class DrawnLines:
    """Lines from a generator, drawn and counted when they are needed; the first ones never change."""

    def __init__(self, tokenizer: Tokenizer, draw_line: Callable[[], str]) -> None:
        self.tokenizer, self.draw_line = tokenizer, draw_line
        self.lines: list[str] = []
        self.sums = [0]

    def tokens(self, units: int) -> int:
        """Tokens of the first `units` lines, each with its line break."""
        while len(self.lines) < units:
            more = [self.draw_line() for _ in range(LINES_AT_A_TIME)]
            costs = piece_tokens(self.tokenizer, [f"{line}\n" for line in more], before="\n")
            self.sums += [self.sums[-1] + cost for cost in cumulative(costs)[1:]]
            self.lines += more
        return self.sums[units]

    def take(self, units: int) -> list[str]:
        """The first `units` lines."""
        self.tokens(units)
        return self.lines[:units]


def hide_in_lines(lines: Sequence[str], needles: Sequence[str], shares: Sequence[float]) -> tuple[str, list[float]]:
    """(text, depth of each needle): every needle as a line of its own at its share of the lines, in order."""
    text, depths = list(lines), []
    for shift, (needle, share) in enumerate(zip(needles, sorted(shares), strict=True)):
        text.insert(int(share * len(lines)) + shift, needle)
        depths.append(share)
    return "\n".join(text), depths


class EssayWords:
    """The words of a long text from its start, repeated where it is too short, with its sentences and tokens.

    The sentences are those of an untrained Punkt tokenizer (nltk's trained model is a download); it parts after
    abbreviations too, which moves a needle by a few words and nothing else.
    """

    def __init__(self, tokenizer: Tokenizer, text: str, longest: int) -> None:
        """`longest`: tokens that no haystack exceeds; no more of the text is read than they need."""
        words = re.sub(r"\s+", " ", text).strip()
        self.tokenizer = tokenizer
        self.text, self.token_starts = prefix_of_tokens(tokenizer, words, longest)
        self.word_ends = [found.end() for found in re.finditer(r"\S+", self.text)]
        spans = nltk.PunktSentenceTokenizer().span_tokenize(self.text)
        self.sentence_starts, self.sentence_ends = map(list, zip(*spans, strict=True))

    @property
    def words(self) -> int:
        """Words at hand."""
        return len(self.word_ends)

    def tokens(self, units: int, ending: str) -> int:
        """Tokens of the first `units` words with `ending` after them; what the last word and it join to is counted."""
        end = self.word_ends[units - 1]
        last = max(self.text.rfind(" ", 0, end), 0)
        return bisect_left(self.token_starts, last) + self.count(self.text[last:end] + ending)

    def count(self, piece: str) -> int:
        """Tokens of a piece after a word."""
        return piece_tokens(self.tokenizer, [piece], before="a")[0]

    def hide(self, units: int, needles: Sequence[str], depths: Sequence[int]) -> str:
        """The first `units` words with each needle between two sentences, at its percentage of the sentences."""
        end = self.word_ends[units - 1]
        sentences = bisect_right(self.sentence_starts, end - 1)
        places = [int(sentences * (depth / 100)) for depth in sorted(depths)]
        pieces = []
        for first, after, needle in zip([0, *places], [*places, sentences], [*needles, None], strict=True):
            pieces.append(self.stretch(first, after, end))
            if needle is not None:
                pieces.append(needle)
        return " ".join(pieces)

    def stretch(self, first: int, after: int, end: int) -> str:
        """Sentences [first, after) of the text up to character `end`; empty where there are none, as published."""
        if first == after:
            return ""
        return self.text[self.sentence_starts[first] : min(self.sentence_ends[after - 1], end)]


def prefix_of_tokens(tokenizer: Tokenizer, words: str, longest: int) -> tuple[str, list[int]]:
    """(text, first character of each token): of `words`, repeated or cut, at least `longest` tokens, whole words."""
    characters = longest * 6
    while True:
        repeats = -(-characters // max(len(words), 1))
        text = " ".join([words] * repeats)[:characters].rsplit(" ", 1)[0]
        offsets = tokenizer.encode_with_offsets(text)[1]
        if len(offsets) >= longest:
            return text, [start for start, _ in offsets]
        characters *= 2


def essay_text(path: Path) -> str:
    """The text of a PaulGrahamEssays.json: {"text": ...}; InputError where it holds none."""
    try:
        text = json.loads(path.read_text(encoding="utf-8"))["text"]
    except (json.JSONDecodeError, KeyError, TypeError):
        text = None
    if not isinstance(text, str) or not text.strip():
        raise InputError(f'{path}: not in the format of PaulGrahamEssays.json, {{"text": ...}}; name that file')
    return text


def depth_percentages(generator: Random, needles: int) -> list[int]:
    """Different depths (percent) for so many needles, in order."""
    return sorted(generator.sample(DEPTHS, needles))
