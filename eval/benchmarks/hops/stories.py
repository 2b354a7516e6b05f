"""What a multi-hop question is made of, and where the questions of a cell come from.

A person takes an object and goes to places; the question needs every supporting fact, in their order:
  2 hops: takes it, goes to A; where is it? (A)
  3 hops: takes it, goes to A, goes to B; where was it before B? (A)
  4 hops: goes to A, takes it, goes to B, drops it; where was it before the place where it was dropped? (A)
Interference facts speak of other people and other objects; the last of all facts is one of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from eval.building.build_context import BuildContext


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
        if hops == 2:
            return [self.take, self.first_move]
        if hops == 3:
            return [self.take, self.first_move, self.last_move]
        return [self.first_move, self.take, self.last_move, self.drop]


INSTRUCTION = (
    "Some sentences of the text above tell who took or dropped which thing and who went where. Use only those "
    "sentences.\nA thing goes wherever the person who holds it goes. Answer with the place alone.\n"
    "Question: {question}\nAnswer:"
)
QUESTIONS = {
    2: "Where is the {thing}?",
    3: "Where was the {thing} before the {last_place}?",
    4: "Where was the {thing} before the place where it was dropped?",
}

# story(index, generator) -> the story of one sample
Source = Callable[[int, Random], Story]


def told(chain: Chain, hops: int, interference: list[str], generator: Random) -> Story:
    """The story of a chain: interference facts between its own in random order, one of them at the end."""
    supporting = chain.facts(hops)
    order = ["supporting"] * len(supporting) + ["interference"] * (len(interference) - 1)
    generator.shuffle(order)
    sources = {"supporting": iter(supporting), "interference": iter(interference)}
    facts = [(kind, next(sources[kind])) for kind in [*order, "interference"]]
    question = QUESTIONS[hops].format(thing=chain.thing, last_place=chain.last_place)
    return Story(facts, INSTRUCTION.format(question=question), chain.answer)


def interference_count(context: BuildContext, hops: int, generator: Random) -> int:
    """How many interference facts a story gets: a share of its supporting facts, at least one."""
    least, most = (
        round(hops * share) for share in (context.options.interference_min, context.options.interference_max)
    )
    return max(generator.randint(least, most), 1)
