"""Repeats: stretches of random words that come again at random distances.

From them a model learns to copy by content; at a fixed distance it would learn to copy by position. What is learned
is a repetition from its second word on: nothing says which stretch begins again.
"""

from collections.abc import Callable
from random import Random

from data_prep.sources.drills.passages import Passages
from data_prep.sources.drills.sample import Piece, length_of
from data_prep.sources.drills.words import PEOPLE, PLACES, THINGS, words_of

AGAIN = 0.6  # share of stretches that repeat an earlier one
SHORTEST, LONGEST = 4, 16  # words of a stretch


def repeats(generator: Random, characters: int, passages: Passages) -> list[Piece]:
    """At most `characters` of stretches; every stretch has words of one kind."""
    kinds = word_kinds(passages)
    stretches: list[list[str]] = []
    pieces: list[Piece] = []
    while characters > 0:
        if stretches and generator.random() < AGAIN:
            earlier = generator.choice(stretches)
            first = generator.randrange(max(1, len(earlier) - SHORTEST + 1))
            words = earlier[first : first + generator.randint(SHORTEST, LONGEST)]
            found = [Piece(words[0]), Piece("".join(words[1:]), "answer")]
        else:
            words = generator.choice(kinds)(generator, generator.randint(SHORTEST, LONGEST))
            stretches.append(words)
            found = [Piece("".join(words))]
        characters -= length_of(found)
        pieces += found
    return pieces[:-1] or pieces


def word_kinds(passages: Passages) -> list[Callable[[Random, int], list[str]]]:
    """Draws of some words, of one kind each: digits, the words of stories, nouns, the words of a sentence."""

    def digits(generator: Random, count: int) -> list[str]:
        return [" ", *generator.choices("0123456789", k=count)]

    def story_words(generator: Random, count: int) -> list[str]:
        return [f" {word}" for word in generator.choices([*PEOPLE, *THINGS, *PLACES], k=count)]

    def nouns(generator: Random, count: int) -> list[str]:
        return [f" {word}" for word in generator.choices(words_of("noun"), k=count)]

    def sentence_words(generator: Random, count: int) -> list[str]:
        return [f" {word}" for word in generator.choices(passages.sentence(generator).split(), k=count)]

    return [digits, story_words, nouns, sentence_words]
