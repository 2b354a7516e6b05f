"""Copying, in three steps: echoes, pairs, and repeats of whole stretches, all of random words.

A model finds what followed an earlier occurrence of a word by two things: a head that looks at the token before, and
one that looks for a token whose predecessor is the present one. An echo (a b a) needs the first alone and is learned
at once; a pair (a b, and later b after a) needs both, and is learned soon after, at random distances and among few
others; a stretch that comes again is the same without an end. Without echoes, the second and the third stay at "one
of the words of this text" for millions of tokens, and at a fixed distance they would be learned by position. The echo
of a fact (its person again) does for a story's sentences what the first does for words: a name is carried along.
"""

from collections.abc import Callable, Sequence
from random import Random

from data_prep.settings import DrillSettings
from data_prep.sources.drills.passages import Passages
from data_prep.sources.drills.sample import Piece, length_of
from data_prep.sources.drills.words import DROPS, MOVES, PEOPLE, PLACES, TAKES, THINGS, words_of

Draw = Callable[[Random, int], list[str]]
STORY_WORDS = [*PEOPLE, *THINGS, *PLACES]
AGAIN = 0.65  # share of stretches that repeat an earlier one
ONE_KIND = 0.7  # share of samples whose stretches all have words of one kind
SHORTEST, LONGEST = 3, 16  # words of a stretch
CHARACTERS_PER_WORD = 20  # of a sample, for every word of its longest stretch
CHARACTERS_PER_PAIR = 35  # of a sample, for each of its pairs
MOST_PAIRS = 16
MOST_FILLER = 4  # words between two pairs


def echoes(generator: Random, characters: int, passages: Passages, settings: DrillSettings) -> list[Piece]:
    """At most `characters`, but one echo at least: a word, another, and the first again; or a fact and its person."""
    pieces: list[Piece] = []
    of_facts = generator.random() < settings.fact_echoes
    while True:
        first, between = echo_of_a_fact(generator) if of_facts else echo_of_a_word(generator)
        echo = [Piece(f" {first} {between}"), Piece(f" {first}", "answer"), *filler(generator, passages)]
        characters -= length_of(echo)
        if characters < 0 and pieces:
            return pieces
        pieces += echo


def echo_of_a_word(generator: Random) -> tuple[str, str]:
    """(a word, another one)."""
    first, second = generator.sample(STORY_WORDS, 2)
    return first, second


def echo_of_a_fact(generator: Random) -> tuple[str, str]:
    """(a person, what a fact says of it)."""
    person = generator.choice(PEOPLE)
    form = generator.choice((*TAKES, *MOVES, *DROPS))
    fact = form.format(person="", thing=generator.choice(THINGS), place=generator.choice(PLACES))
    return person, fact.strip()


def pairs(generator: Random, characters: int, passages: Passages, settings: DrillSettings) -> list[Piece]:
    """Names or things, each with a place, a filler between them; then each again, its other word after it.

    Or things in facts about who took them: then each again, and after it the person.
    """
    count = generator.randint(2, min(max(2, characters // CHARACTERS_PER_PAIR), MOST_PAIRS))
    if generator.random() < settings.fact_pairs:
        return fact_pairs(generator, characters, passages, count)
    couples = list(zip(generator.sample([*PEOPLE, *THINGS], count), generator.sample(PLACES, count), strict=True))
    pieces: list[Piece] = []
    for first, second in couples:
        pieces += [*filler(generator, passages), Piece(f" {first} {second}")]

    def either_way() -> tuple[str, str]:
        told, learned = generator.choice(couples)
        return (learned, told) if generator.random() < settings.backward else (told, learned)

    return with_questions(pieces, characters, either_way, generator, passages)


def fact_pairs(generator: Random, characters: int, passages: Passages, count: int) -> list[Piece]:
    """Facts about who took what, and where somebody went; then the things again, each with the person who took it."""
    people = generator.sample(PEOPLE, count)
    owners = dict(zip(generator.sample(THINGS, count), people, strict=True))
    facts = [generator.choice(TAKES).format(person=person, thing=thing) for thing, person in owners.items()]
    facts += [
        generator.choice(MOVES).format(person=person, place=generator.choice(PLACES))
        for person in generator.sample(people, count // 2)
    ]
    generator.shuffle(facts)
    pieces = [piece for fact in facts for piece in (Piece(f" {fact}"), *filler(generator, passages))]

    def owned() -> tuple[str, str]:
        thing = generator.choice(list(owners))
        return f"{thing}:", owners[thing]

    return with_questions(pieces, characters, owned, generator, passages)


def with_questions(
    pieces: list[Piece], characters: int, draw: Callable[[], tuple[str, str]], generator: Random, passages: Passages
) -> list[Piece]:
    """The pieces, and drawn questions (what is told, what is learned) with filler before each: one, and what fits."""
    asking = list(pieces)
    while True:
        told, learned = draw()
        question = [*filler(generator, passages), Piece(f" {told}"), Piece(f" {learned}", "answer")]
        if len(asking) > len(pieces) and length_of([*asking, *question]) > characters:
            return asking
        asking += question


def filler(generator: Random, passages: Passages) -> list[Piece]:
    """Some words of a sentence, or digits; often none."""
    count = min(int(generator.expovariate(0.7)), MOST_FILLER)
    if generator.random() < 0.3:
        return [Piece(f" {digit}") for digit in generator.choices("0123456789", k=count)]
    return [Piece(f" {word}") for word in generator.choices(passages.sentence(generator).split(), k=count)]


def repeats(generator: Random, characters: int, passages: Passages, settings: DrillSettings) -> list[Piece]:
    """At most `characters` of stretches, and two of them at least; learned from the second word of a repetition on.

    Nothing says which stretch begins again. Short samples have short stretches, so that few words compete.
    """
    longest = min(max(characters // CHARACTERS_PER_WORD, SHORTEST + 1), LONGEST)
    kinds = word_kinds(passages)
    if generator.random() < ONE_KIND:
        kinds = [generator.choice(kinds)]
    stretches: list[list[str]] = []
    pieces: list[Piece] = []
    while True:
        again = bool(stretches) and generator.random() < AGAIN
        words = stretch(generator, stretches if again else None, kinds, longest)
        stretch_pieces = [Piece(words[0]), Piece("".join(words[1:]), "answer")] if again else [Piece("".join(words))]
        characters -= length_of(stretch_pieces)
        if characters < 0 and any(piece.kind == "answer" for piece in pieces):
            return pieces
        pieces += stretch_pieces
        if not again:
            stretches.append(words)


def stretch(generator: Random, earlier: Sequence[list[str]] | None, kinds: Sequence[Draw], longest: int) -> list[str]:
    """The end, of SHORTEST words at least, of an earlier stretch; without earlier ones, new words."""
    if earlier is None:
        return generator.choice(kinds)(generator, generator.randint(SHORTEST, longest))
    words = generator.choice(earlier)
    return words[generator.randrange(max(1, len(words) - SHORTEST + 1)) :]


def word_kinds(passages: Passages) -> list[Draw]:
    """Draws of some words, of one kind each: digits, words of stories (twice as often), nouns, words of a sentence."""

    def digits(generator: Random, count: int) -> list[str]:
        return [" ", *generator.choices("0123456789", k=count)]

    def story_words(generator: Random, count: int) -> list[str]:
        return [f" {word}" for word in generator.sample(STORY_WORDS, count)]

    def nouns(generator: Random, count: int) -> list[str]:
        return [f" {word}" for word in generator.sample(words_of("noun"), count)]

    def sentence_words(generator: Random, count: int) -> list[str]:
        return [f" {word}" for word in generator.choices(passages.sentence(generator).split(), k=count)]

    return [digits, story_words, story_words, nouns, sentence_words]
