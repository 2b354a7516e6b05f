"""The eight needle tasks: hidden in noise, in essays, or among other needles; one or four keys, values and queries.

out: rows with "depths", where each needle lies (share of the haystack), and "units", lines or words of haystack
Needles are sentences that give a key its value. Numbers have seven digits, words are adjective-noun, uuids are version
4: as in the official generator, drawn from the sample's own generator.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from eval.benchmarks.ruler.haystacks import (
    DrawnLines,
    EssayWords,
    NoiseLines,
    depth_percentages,
    essay_text,
    hide_in_lines,
)
from eval.benchmarks.ruler.wording import needle_prompt, noise, random_key, ruler_sample, wording
from eval.building.context import BuildContext, Built
from eval.building.filling import fill


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
    queried = generator.sample(keys, task.queries)
    return Needles(sentences, enumeration(queried), [value for key in queried for value in of_key[key]])


def distinct(generator: Random, kind: str, count: int) -> list[str]:
    """`count` different random things."""
    things: dict[str, None] = {}
    while len(things) < count:
        things[random_thing(generator, kind)] = None
    return list(things)


def enumeration(names: list[str]) -> str:
    """`a`, `a, and b`, `a, b, and c`: the official way to name the keys."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])}, and {names[-1]}"


# The smallest haystack (lines or words): with it, whether anything fits is tried.
FEWEST = 1


def build(context: BuildContext) -> Built:
    """The prompts of this cell."""
    task = NEEDLE_TASKS[context.task]
    if task.haystack == "essay":
        text, inputs = essays(context)
        essay = EssayWords(context.tokenizer, text, context.length)
        sample_of = partial(in_essay, context, task, essay)
    else:
        inputs, sample_of = {}, partial(in_lines, context, task)
    return Built([sample_of(index) for index in range(context.options.samples)], {}, inputs)


def essays(context: BuildContext) -> tuple[str, dict]:
    """(text, what it was read from): the essays, or the books where the settings take those instead."""
    if context.options.essays == "books":
        return "\n".join(book.text for book in context.books), {"books": context.describe_books()}
    return essay_text(context.data("essays")), {"essays": context.describe("essays")}


def in_lines(context: BuildContext, task: NeedleTask, index: int) -> dict:
    """One prompt: needles among the most lines of noise, or of other needles, that fit."""
    needles = draw_needles(context.generator(index), task)
    places = context.generator(index, "places")
    shares = sorted(places.random() for _ in needles.sentences)
    if task.haystack == "noise":
        lines = NoiseLines(context.tokenizer, noise())
    else:
        lines = DrawnLines(context.tokenizer, partial(random_needle, context.generator(index, "others"), task))

    def sample_of(units: int) -> dict:
        text, depths = hide_in_lines(lines.take(units), needles.sentences, shares)
        return needle_sample(context, task, needles, text, depths)

    units, sample = fill(context.length, lines.tokens, sample_of, FEWEST, what=f"task {context.task}")
    return {**sample, "units": units}


def in_essay(context: BuildContext, task: NeedleTask, essay: EssayWords, index: int) -> dict:
    """One prompt: needles between the sentences of the most words of essay that fit."""
    needles = draw_needles(context.generator(index), task)
    depths = depth_percentages(context.generator(index, "places"), len(needles.sentences))

    def sample_of(units: int) -> dict:
        text = essay.hide(units, needles.sentences, depths)
        return needle_sample(context, task, needles, text, [depth / 100 for depth in depths])

    units, sample = fill(
        context.length, essay_tokens(essay), sample_of, FEWEST, essay.words, what=f"task {context.task}"
    )
    return {**sample, "units": units}


def essay_tokens(essay: EssayWords) -> Callable[[int], int]:
    """Tokens of the first words of the essay and of the line break that follows them."""
    return lambda units: essay.tokens(units, "\nWhat")


def needle_sample(context: BuildContext, task: NeedleTask, needles: Needles, text: str, depths: list[float]) -> dict:
    """The sample whose haystack, needles in it, is `text`."""
    prompt, answer_prefix = needle_prompt(len(needles.answers))
    kind = task.values_are.removesuffix("s") if len(needles.answers) == 1 else task.values_are
    return ruler_sample(
        context,
        prompt.format(type_needle_v=kind, context=text, query=needles.query),
        answer_prefix.format(type_needle_v=kind, query=needles.query),
        text=text,
        question=needles.query,
        answers=needles.answers,
        more={"depths": depths},
    )
