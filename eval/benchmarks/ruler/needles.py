"""Needles: sentences that give a key its value, and the question that asks for some of them.

Numbers have seven digits, words are adjective-noun, uuids are version 4: as in the official generator, drawn from
the sample's own generator.
"""

import uuid
from dataclasses import dataclass
from random import Random

from eval.benchmarks.ruler.wording import wording
from eval.benchmarks.ruler.words import random_key


@dataclass(frozen=True)
class NeedleTask:
    """One of the eight needle tasks: its haystack, what keys and values are, and how many of each."""

    haystack: str
    keys_are: str = "words"
    values_are: str = "numbers"
    keys: int = 1
    values: int = 1
    queries: int = 1


NEEDLE_TASKS = {
    "niah_single_1": NeedleTask("noise"),
    "niah_single_2": NeedleTask("essay"),
    "niah_single_3": NeedleTask("essay", values_are="uuids"),
    "niah_multikey_1": NeedleTask("essay", keys=4),
    "niah_multikey_2": NeedleTask("needle"),
    "niah_multikey_3": NeedleTask("needle", keys_are="uuids", values_are="uuids"),
    "niah_multivalue": NeedleTask("essay", values=4),
    "niah_multiquery": NeedleTask("essay", keys=4, queries=4),
}


@dataclass(frozen=True)
class Needles:
    """The needles of one prompt in the order of the text, the query, and the values that answer it."""

    sentences: list[str]
    query: str
    answers: list[str]


def random_thing(generator: Random, kind: str) -> str:
    """A random member of `numbers`, `words` or `uuids`."""
    if kind == "numbers":
        return str(generator.randint(1_000_000, 9_999_999))
    if kind == "words":
        return random_key(generator)
    return str(uuid.UUID(int=generator.getrandbits(128), version=4))


def needle_sentence(task: NeedleTask, key: str, value: str) -> str:
    """The sentence that hides a value; its kind stays in the plural, as published."""
    return wording()["niah"]["needle"].format(type_needle_v=task.values_are, key=key, value=value)


def random_needle(generator: Random, task: NeedleTask) -> str:
    """A needle for nobody: the lines of the needle haystack."""
    return needle_sentence(task, random_thing(generator, task.keys_are), random_thing(generator, task.values_are))


def draw_needles(generator: Random, task: NeedleTask) -> Needles:
    """All needles of one prompt, shuffled, and the question about `task.queries` of the keys."""
    keys = distinct(generator, task.keys_are, task.keys)
    values = distinct(generator, task.values_are, task.keys * task.values)
    of_key = {key: values[place * task.values : (place + 1) * task.values] for place, key in enumerate(keys)}
    sentences = [needle_sentence(task, key, value) for key in keys for value in of_key[key]]
    generator.shuffle(sentences)
    asked = generator.sample(keys, task.queries)
    return Needles(sentences, enumeration(asked), [value for key in asked for value in of_key[key]])


def distinct(generator: Random, kind: str, count: int) -> list[str]:
    """`count` different random things."""
    things: dict[str, None] = {}
    while len(things) < count:
        things[random_thing(generator, kind)] = None
    return list(things)


def enumeration(names: list[str]) -> str:
    """`a`, `a, and b`, `a, b, and c`: the official way to name the keys."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])}, and {names[-1]}"
