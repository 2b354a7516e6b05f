"""Where RULER hides its needles: repeated noise, essays, or lines that are needles themselves.

A haystack knows how many tokens its first `units` units take and how to hide needles among them. Units are lines
(noise, needle) or words (essay), as in the official generator; the essay's needles go between sentences.
"""

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
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

    As in the official generator, sentences are joined by one space: what was "investors.[2] Startups" reads
    "investors. [2] Startups". They are those of an untrained Punkt tokenizer (nltk's trained model is a download): it
    parts after some abbreviations too, which moves a needle by a few words and nothing else.
    """

    def __init__(self, tokenizer: Tokenizer, text: str, longest: int) -> None:
        """`longest`: tokens that no haystack exceeds; no more of the text is read than they need."""
        self.tokenizer = tokenizer
        words = re.sub(r"\s+", " ", text).strip()
        characters = longest * 6
        self.token_starts: list[int] = []
        while len(self.token_starts) < longest:
            repeats = -(-characters // max(len(words), 1))
            stretch = " ".join([words] * repeats)[:characters].rsplit(" ", 1)[0]
            self.text, self.sentence_starts, self.sentence_ends, self.word_ends = joined_sentences(stretch)
            self.token_starts = [start for start, _ in tokenizer.encode_with_offsets(self.text)[1]]
            characters *= 2

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


def joined_sentences(text: str) -> tuple[str, list[int], list[int], list[int]]:
    """(the sentences of a text with one space between them, where each begins and ends in it, where each word of the
    text ends in it); the words of the text have one space between them.
    """
    spans = sentence_spans(text)
    starts = [0]
    for start, end in spans:
        starts.append(starts[-1] + end - start + 1)
    ends = [start - 1 for start in starts[1:]]
    touching = [after[0] for before, after in pairwise(spans) if before[1] == after[0]]
    word_ends = [word.end() + bisect_left(touching, word.end()) for word in re.finditer(r"\S+", text)]
    return " ".join(text[start:end] for start, end in spans), starts[:-1], ends, word_ends


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Characters [start, end) of every sentence; none begins with a semicolon or a colon.

    Before those an untrained Punkt parts after an abbreviation ("MITE Corp.; the"), where a trained one does not.
    """
    spans: list[tuple[int, int]] = []
    for start, end in nltk.PunktSentenceTokenizer().span_tokenize(text):
        if spans and text[start] in ";:":
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


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
