"""Stories from bAbI qa3: its questions whose three supporting facts are a taking and two moves of the same person.

Supporting facts keep bAbI's words; with four hops the person moves before the taking and drops the object at the end.
Interference facts are those of the same story about other people and other objects.
"""

import re
from random import Random

from contracts.errors import InputError
from eval.benchmarks.babilong.babi import Question, read_task
from eval.benchmarks.hops.stories import Chain, Source, Story, interference_count, told
from eval.building.build_context import BuildContext

MOVE = re.compile(r"(?P<person>\w+) (?:went back to|went to|journeyed to|travelled to|moved to) the (?P<place>\w+)\.")
TAKE = re.compile(r"(?P<person>\w+) (?:got|took|grabbed|picked up) the (?P<thing>\w+)(?: there)?\.")
DROPS = ("dropped", "left", "discarded", "put down")


def source(context: BuildContext, hops: int) -> Source:
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
        drop = f"{chain.person} {generator.choice(DROPS)} the {chain.thing}."
        return told(Chain(**{**vars(chain), "drop": drop}), hops, chosen, generator)

    return story


def chain_of(question: Question) -> Chain | None:
    """The chain behind a question's facts; None where they have another form, or no interference is at hand."""
    facts = [question.facts[place] for place in sorted(question.supporting)]
    if len(facts) != 3:
        return None
    take, first, last = TAKE.fullmatch(facts[0]), MOVE.fullmatch(facts[1]), MOVE.fullmatch(facts[2])
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
