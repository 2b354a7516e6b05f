"""Stories: who took which thing and went where, between sentences of books, and a question about every chain.

A chain is one person's: the questions are those of the multi-hop probe, with 1 hop before them (where is the person?).
Chains of a story share neither person nor thing, so every question has one answer. An answer that names the chain
repeats its facts in the order in which they are looked up; the last place that it names is the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from data_prep.settings import DrillSettings
from data_prep.sources.drills.passages import Passages
from data_prep.sources.drills.sample import Admission, Piece, length_of
from data_prep.sources.drills.words import (
    DROPS,
    INSTRUCTION,
    MOVES,
    NAME_THE_CHAIN,
    PEOPLE,
    PLACE_ALONE,
    PLACES,
    QUESTIONS,
    TAKES,
    THINGS,
)


@dataclass(frozen=True)
class Chain:
    """The facts of one question; the answer is the first place."""

    thing: str
    place: str
    facts: tuple[str, ...]  # in the order in which they happen
    steps: tuple[str, ...]  # in the order in which they are looked up
    question: str

    @property
    def story(self) -> str:
        """What a list of held-out stories spells: the facts and the question, a line each."""
        return "\n".join([*self.facts, self.question])

    def answer(self, direct: bool) -> str:
        """The place alone, or the chain that leads to it."""
        if direct:
            return f" {self.place}"
        lead = "" if len(self.facts) == 1 else f" {self.thing}:"
        return lead + "".join(f" {step}" for step in self.steps)


@dataclass(frozen=True)
class Form:
    """How a story asks."""

    direct: bool  # for the place alone
    instruction: bool  # after a text that says so


def stories(
    generator: Random, characters: int, settings: DrillSettings, passages: Passages, admission: Admission
) -> list[Piece]:
    """A story of as many chains as drawn, fewer where `characters` do not hold them, every one asked about."""
    form = Form(generator.random() < settings.direct, settings.instruction)
    count = generator.randint(1, settings.chains_max)
    people, things = generator.sample(PEOPLE, len(PEOPLE)), generator.sample(THINGS, len(THINGS))
    chains = [
        chain(generator, person, thing, generator.choice(settings.hops), admission)
        for person, thing in zip(people[:count], things[:count], strict=True)
    ]
    while len(chains) > 1 and length_of(told(chains, form, facts_of(chains))) > characters:
        chains.pop()
    room = characters - length_of(told(chains, form, facts_of(chains)))
    drawn = [
        other_fact(generator, people[count:], things[count:]) for _ in range(generator.randint(0, settings.others_max))
    ]
    others = [fact for fact, end in zip(drawn, accumulate(map(len, drawn)), strict=True) if end + len(drawn) <= room]
    sentences = passages.fill(generator, room - sum(len(fact) + 1 for fact in others))
    return told(chains, form, between(generator, in_turn(generator, chains), others, sentences))


def chain(generator: Random, person: str, thing: str, hops: int, admission: Admission) -> Chain:
    """One person's chain, drawn until it is one that the split may hold."""
    while True:
        first, last = generator.sample(PLACES, 2)
        take, drop = (generator.choice(forms).format(person=person, thing=thing) for forms in (TAKES, DROPS))
        ways = generator.sample(MOVES, 2)
        here, there = (way.format(person=person, place=place) for way, place in zip(ways, (first, last), strict=True))
        facts, steps = {
            1: ((here,), (here,)),
            2: ((take, here), (take, here)),
            3: ((take, here, there), (take, there, here)),
            4: ((here, take, there, drop), (drop, there, here)),
        }[hops]
        question = QUESTIONS[hops].format(person=person, thing=thing, last_place=last)
        drawn = Chain(thing, first, facts, steps, question)
        if admission.admits(drawn.story):
            return drawn


def facts_of(chains: list[Chain]) -> list[Piece]:
    """All facts, one chain after the other."""
    return [Piece(f" {fact}", "evidence") for chain in chains for fact in chain.facts]


def in_turn(generator: Random, chains: list[Chain]) -> list[Piece]:
    """All facts, the chains taking turns at random, each in its own order."""
    turns = [number for number, chain in enumerate(chains) for _ in chain.facts]
    generator.shuffle(turns)
    left = [iter(chain.facts) for chain in chains]
    return [Piece(f" {next(left[number])}", "evidence") for number in turns]


def other_fact(generator: Random, people: Sequence[str], things: Sequence[str]) -> str:
    """A fact about a person, and a thing where it names one, of no chain."""
    person = generator.choice(people)
    if generator.random() < 0.5:
        return generator.choice(TAKES).format(person=person, thing=generator.choice(things))
    return generator.choice(MOVES).format(person=person, place=generator.choice(PLACES))


def between(generator: Random, facts: list[Piece], others: list[str], sentences: list[str]) -> list[Piece]:
    """The facts in their order at random places between the other facts and the sentences."""
    body = [Piece(f" {text}") for text in generator.sample([*others, *sentences], len(others) + len(sentences))]
    places = sorted(generator.randint(0, len(body)) for _ in facts)
    for shift, (place, fact) in enumerate(zip(places, facts, strict=True)):
        body.insert(place + shift, fact)
    return body


def told(chains: list[Chain], form: Form, body: list[Piece]) -> list[Piece]:
    """The body, the instruction, and every chain's question with its answer."""
    pieces = [Piece(body[0].text.lstrip(), body[0].kind), *body[1:]]
    if form.instruction:
        pieces.append(Piece("\n" + INSTRUCTION.format(form=PLACE_ALONE if form.direct else NAME_THE_CHAIN)))
    for chain in chains:
        pieces += [Piece(f"\nQuestion: {chain.question}\nAnswer:"), Piece(chain.answer(form.direct), "answer")]
    return pieces
