"""The eight needle tasks: hidden in noise, in essays, or among other needles; one or four keys, values and queries.

out: rows with "depths", where each needle lies (share of the haystack), and "units", lines or words of haystack
"""

from collections.abc import Callable
from functools import partial

from eval.benchmarks.ruler.haystacks import (
    DrawnLines,
    EssayWords,
    NoiseLines,
    depth_percentages,
    essay_text,
    hide_in_lines,
)
from eval.benchmarks.ruler.needles import NEEDLE_TASKS, Needles, NeedleTask, draw_needles, random_needle
from eval.benchmarks.ruler.prompts import ruler_sample
from eval.benchmarks.ruler.wording import needle_prompt, noise
from eval.building.build_context import BuildContext, Built
from eval.building.filling import fill

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
