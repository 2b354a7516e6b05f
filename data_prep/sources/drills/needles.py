"""Needles: numbers hidden in noise or among sentences, and RULER's question about each of them.

With one needle in noise this is RULER's niah_single_1; more needles give more questions a sample.
"""

from random import Random

from data_prep.settings import DrillSettings
from data_prep.sources.drills.passages import Passages
from data_prep.sources.drills.sample import Admission, Piece, length_of
from data_prep.sources.drills.words import ASKED, HIDDEN_MORE, HIDDEN_ONE, NEEDLE, NOISE, words_of


def needles(
    generator: Random, characters: int, settings: DrillSettings, passages: Passages, admission: Admission
) -> list[Piece]:
    """As many needles as drawn, fewer where `characters` do not hold them, at random places of the haystack."""
    count = generator.randint(1, settings.needles_max)
    hidden = [(key(generator), value(generator, admission)) for _ in range(count)]
    while len(hidden) > 1 and length_of(framed(hidden, [])) > characters:
        hidden.pop()
    room = characters - length_of(framed(hidden, []))
    if generator.random() < settings.noise:
        lines = [NOISE] * (room // (len(NOISE) + 1))
    else:
        lines = passages.fill(generator, room)
    haystack = [Piece(line) for line in lines]
    for each in hidden:
        haystack.insert(
            generator.randint(0, len(haystack)), Piece(NEEDLE.format(key=each[0], value=each[1]), "evidence")
        )
    return framed(generator.sample(hidden, len(hidden)), haystack)


def framed(hidden: list[tuple[str, str]], haystack: list[Piece]) -> list[Piece]:
    """The haystack, a line each, between RULER's instruction and its questions; without one, the needles alone."""
    lines = haystack or [Piece(NEEDLE.format(key=key, value=value), "evidence") for key, value in hidden]
    pieces = [Piece(HIDDEN_ONE if len(hidden) == 1 else HIDDEN_MORE), lines[0]]
    for line in lines[1:]:
        pieces += [Piece("\n"), line]
    for key, value in hidden:
        pieces += [Piece(ASKED.format(key=key)), Piece(f" {value}", "answer")]
    return pieces


def key(generator: Random) -> str:
    """One key such as `quiet-harbor`."""
    return f"{generator.choice(words_of('adjective'))}-{generator.choice(words_of('noun'))}"


def value(generator: Random, admission: Admission) -> str:
    """A number of seven digits that the split may hold."""
    while True:
        number = str(generator.randint(1_000_000, 9_999_999))
        if admission.admits(number):
            return number
