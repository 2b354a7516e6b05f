"""What a multi-hop question is made of, and where the questions of a cell come from.

A person takes an object and goes to places; the question needs every supporting fact, in their order:
  2 hops: takes it, goes to A; where is it? (A)
  3 hops: takes it, goes to A, goes to B; where was it before B? (A)
  4 hops: goes to A, takes it, goes to B, drops it; where was it before the place where it was dropped? (A)
Interference facts speak of other people and other objects; the last of all facts is one of them.
Three sources:
  the preliminary study's own rows, reasoning_needle.jsonl, 100 of 3 hops and 100 of 4: lines {"question", "needle" (all
  facts in order), "real_needle" (the supporting ones), "golden_answer", "tag"}, asked as published
  bAbI qa3: its questions whose three supporting facts are a taking and two moves of the same person, in bAbI's words;
  with four hops the person moves before the taking and drops the object at the end; interference facts are those of the
  same story about other people and other objects
  this project's own words; only stories that no generated training sample holds (contracts.held_out)
The answer is the place, or names the chain: the supporting facts in the order in which they are looked up.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random

from contracts.errors import InputError
from contracts.held_out import is_held_out
from eval.benchmarks.babilong.build import Question, read_task
from eval.building.context import BuildContext
from eval.building.samples import read_json_lines


@dataclass(frozen=True)
class Story:
    """One question with its facts in the order of the text, as (kind, sentence) pairs.

    `question` holds the instruction too, and ends where the answer is to begin.
    """

    facts: list[tuple[str, str]]
    question: str
    answer: str


@dataclass(frozen=True)
class Chain:
    """Who did what: the supporting facts of a story in the words of its source."""

    person: str
    thing: str
    answer: str
    last_place: str
    take: str
    first_move: str
    last_move: str
    drop: str

    def facts(self, hops: int) -> list[str]:
        """The supporting facts in order."""
        if hops == 1:
            return [self.first_move]
        if hops == 2:
            return [self.take, self.first_move]
        if hops == 3:
            return [self.take, self.first_move, self.last_move]
        return [self.first_move, self.take, self.last_move, self.drop]

    def steps(self, hops: int) -> str:
        """The answer that names the chain: it ends in the place."""
        if hops == 1:
            return self.first_move
        first = [self.take] if hops == 2 else [self.take if hops == 3 else self.drop, self.last_move]
        return " ".join([f"{self.thing}:", *first, self.first_move])


INSTRUCTION = (
    "Some sentences of the text above tell who took or dropped which thing and who went where. Use only those "
    "sentences.\nA thing goes wherever the person who holds it goes. {form}\nQuestion: {question}\nAnswer:"
)
FORMS = {"chain": "Answer with the sentences that lead to the place.", "place": "Answer with the place alone."}
QUESTIONS = {
    1: "Where is {person}?",
    2: "Where is the {thing}?",
    3: "Where was the {thing} before the {last_place}?",
    4: "Where was the {thing} before the place where it was dropped?",
}

# story(index, generator) -> the story of one sample
Source = Callable[[int, Random], Story]


def told(chain: Chain, hops: int, interference: list[str], generator: Random, form: str) -> Story:
    """The story of a chain: interference facts between its own in random order, one of them at the end.

    `form` of the answer: one of FORMS.
    """
    supporting = chain.facts(hops)
    order = ["supporting"] * len(supporting) + ["interference"] * (len(interference) - 1)
    generator.shuffle(order)
    sources = {"supporting": iter(supporting), "interference": iter(interference)}
    facts = [(kind, next(sources[kind])) for kind in [*order, "interference"]]
    question = INSTRUCTION.format(form=FORMS[form], question=question_of(chain, hops))
    return Story(facts, question, chain.steps(hops) if form == "chain" else chain.answer)


def question_of(chain: Chain, hops: int) -> str:
    """The question whose answer is the chain's first place."""
    return QUESTIONS[hops].format(person=chain.person, thing=chain.thing, last_place=chain.last_place)


def interference_count(context: BuildContext, hops: int, generator: Random) -> int:
    """How many interference facts a story gets: a share of its supporting facts, at least one."""
    least, most = (
        round(hops * share) for share in (context.options.interference_min, context.options.interference_max)
    )
    return max(generator.randint(least, most), 1)


def needle_source(context: BuildContext, hops: int) -> Source:
    """The file's stories of so many hops, in its order, from the start again where it has no more."""
    stories = read_stories(context.data("needles"), f"{hops}-hop")
    return lambda index, generator: stories[index % len(stories)]


def read_stories(path: Path, tag: str) -> list[Story]:
    """The stories with a tag; InputError where there is none, or a line is broken."""
    try:
        stories = [story_of(line) for line in read_json_lines(path) if line["tag"] == tag]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not in the format of reasoning_needle.jsonl ({error}); give that file") from None
    if not stories:
        raise InputError(f"{path}: has no line with the tag {tag}; give the whole reasoning_needle.jsonl")
    return stories


def story_of(line: dict) -> Story:
    """One line; ValueError unless its supporting facts are among its facts, in their order."""
    supporting = list(line["real_needle"])
    facts = []
    for fact in line["needle"]:
        kind = "supporting" if supporting and fact == supporting[0] else "interference"
        if kind == "supporting":
            supporting.pop(0)
        facts.append((kind, fact.strip()))
    if supporting:
        raise ValueError(f"no fact '{supporting[0]}'")
    return Story(facts, f"{line['question'].strip()}\nAnswer:", line["golden_answer"])


BABI_MOVE = re.compile(
    r"(?P<person>\w+) (?:went back to|went to|journeyed to|travelled to|moved to) the (?P<place>\w+)\."
)
BABI_TAKE = re.compile(r"(?P<person>\w+) (?:got|took|grabbed|picked up) the (?P<thing>\w+)(?: there)?\.")
BABI_DROPS = ("dropped", "left", "discarded", "put down")


def babi_source(context: BuildContext, hops: int) -> Source:
    """Stories of so many hops; InputError where the file has none of the form."""
    questions = read_task(context.data("babi"), "qa3")
    usable = [(question, chain) for question in questions if (chain := chain_of(question)) is not None]
    if not usable:
        raise InputError("babi: no question of qa3 has a taking and two moves as its facts; give bAbI 1.2's test files")

    def story(index: int, generator: Random) -> Story:
        question, chain = generator.choice(usable)
        others = other_facts(question, chain)
        count = min(interference_count(context, hops, generator), len(others))
        chosen = [others[place] for place in sorted(generator.sample(range(len(others)), count))]
        drop = f"{chain.person} {generator.choice(BABI_DROPS)} the {chain.thing}."
        return told(Chain(**{**vars(chain), "drop": drop}), hops, chosen, generator, context.options.answer)

    return story


def chain_of(question: Question) -> Chain | None:
    """The chain behind a question's facts; None where they have another form, or no interference is at hand."""
    facts = [question.facts[place] for place in sorted(question.supporting)]
    if len(facts) != 3:
        return None
    take, first, last = BABI_TAKE.fullmatch(facts[0]), BABI_MOVE.fullmatch(facts[1]), BABI_MOVE.fullmatch(facts[2])
    if not (take and first and last) or len({match["person"] for match in (take, first, last)}) != 1:
        return None
    if first["place"] != question.answer or first["place"] == last["place"]:
        return None
    chain = Chain(take["person"], take["thing"], first["place"], last["place"], *facts, drop="")
    return chain if other_facts(question, chain) else None


def other_facts(question: Question, chain: Chain) -> list[str]:
    """The facts of a story that name neither the person nor the object, each once, in order."""
    named = re.compile(rf"\b({chain.person}|{chain.thing})\b")
    return [fact for fact in dict.fromkeys(question.facts) if not named.search(fact)]


PEOPLE = ("Alice", "Bruno", "Clara", "Edgar", "Fiona", "Hugo", "Irene", "Oscar")
OBJECTS = ("lamp", "coat", "letter", "basket", "hammer", "mirror", "violin", "kettle")
PLACES = ("kitchen", "garden", "cellar", "library", "stable", "attic", "hallway", "workshop")
TAKES = ("{person} picked up the {object}.", "{person} took the {object}.", "{person} got the {object}.")
MOVES = ("{person} walked to the {place}.", "{person} moved to the {place}.", "{person} went back to the {place}.")
DROPS = ("{person} dropped the {object}.", "{person} put down the {object}.", "{person} left the {object}.")


def own_source(context: BuildContext, hops: int) -> Source:
    """Stories of so many hops."""

    def story(index: int, generator: Random) -> Story:
        person, *others = generator.sample(PEOPLE, len(PEOPLE))
        thing, *other_things = generator.sample(OBJECTS, len(OBJECTS))
        chain = held_out_chain(generator, person, thing, hops)
        interference = [
            other_fact(generator, others, other_things) for _ in range(interference_count(context, hops, generator))
        ]
        return told(chain, hops, interference, generator, context.options.answer)

    return story


def held_out_chain(generator: Random, person: str, thing: str, hops: int) -> Chain:
    """A chain that no training sample holds."""
    chains = (own_chain(generator, person, thing) for _ in count())
    return next(chain for chain in chains if is_held_out("\n".join([*chain.facts(hops), question_of(chain, hops)])))


def own_chain(generator: Random, person: str, thing: str) -> Chain:
    """A person who takes a thing from one place to another."""
    answer, last_place = generator.sample(PLACES, 2)
    return Chain(
        person=person,
        thing=thing,
        answer=answer,
        last_place=last_place,
        take=generator.choice(TAKES).format(person=person, object=thing),
        first_move=generator.choice(MOVES).format(person=person, place=answer),
        last_move=generator.choice(MOVES).format(person=person, place=last_place),
        drop=generator.choice(DROPS).format(person=person, object=thing),
    )


def other_fact(generator: Random, people: list[str], things: list[str]) -> str:
    """A fact about another person, and about another thing where it names one."""
    person = generator.choice(people)
    if generator.random() < 0.5:
        return generator.choice(TAKES).format(person=person, object=generator.choice(things))
    return generator.choice(MOVES).format(person=person, place=generator.choice(PLACES))
