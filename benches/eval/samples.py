"""Samples per second: one tokenization a sample against a search that tokenizes the prompt at every step.

The search is the official generator's: first, once a cell, the largest haystack by halving in its step sizes, every
try a whole prompt through the tokenizer; then, for every sample, its prompt tokenized again, with a step of haystack
less until it fits. Both sides use this repository's wording, needles and tokenizer, so only the way differs.
They take turns, and each ratio is taken within one turn.
"""

import statistics
import time
from collections.abc import Callable
from random import Random

from benches.train.report import Table, verdict
from eval.benchmarks.ruler import niah
from eval.benchmarks.ruler.haystacks import hide_in_lines
from eval.benchmarks.ruler.niah import NEEDLE_TASKS, draw_needles
from eval.benchmarks.ruler.wording import noise
from eval.building.context import BuildContext
from eval.settings import EvalSettings

# The official step for a haystack of noise (lines).
STEP = 25


def context_of(tokenizer, length: int, samples: int) -> BuildContext:
    """The cell niah_single_1 at one length (tokens)."""
    settings = {"lengths": [length], "benchmarks": {"ruler": {"samples": samples}}}
    return BuildContext(
        benchmark="ruler",
        task="niah_single_1",
        length=length,
        tokenizer=tokenizer,
        settings=EvalSettings.model_validate(settings),
    )


def searched(context: BuildContext) -> list[dict]:
    """The rows of a cell, built by tokenizing whole prompts until one fits."""
    task = NEEDLE_TASKS[context.task]

    def sample(generator: Random, lines: int) -> dict:
        needles = draw_needles(generator, task)
        text, depths = hide_in_lines([noise()] * lines, needles.sentences, [generator.random()])
        return niah.needle_sample(context, task, needles, text, depths)

    low, high = 1, 1 + context.length // STEP
    while high - low > 1:
        middle = (low + high) // 2
        fits = sample(context.generator("search"), middle * STEP)["length"] <= context.length
        low, high = (middle, high) if fits else (low, middle)
    return [largest_sample(sample, context, index, low * STEP) for index in range(context.options.samples)]


def largest_sample(sample: Callable[[Random, int], dict], context: BuildContext, index: int, lines: int) -> dict:
    """One sample with at most `lines` lines, a step fewer as long as it does not fit."""
    while True:
        row = sample(context.generator(index), lines)
        if row["length"] <= context.length:
            return row
        lines -= STEP


def samples_table(tokenizer, lengths: list[int], samples: int, turns: int) -> Table:
    """One row a length: samples per second of both, the ratio, and how full their prompts are."""
    rows = []
    for length in lengths:
        context = context_of(tokenizer, length, samples)
        built = {"ours": niah.build(context).rows, "search": searched(context)}
        pairs = [
            (seconds(lambda context=context: niah.build(context)), seconds(lambda context=context: searched(context)))
            for _ in range(turns)
        ]
        ratio = statistics.median(theirs / ours for ours, theirs in pairs)
        rows.append(
            {
                "length (tokens)": length,
                "samples/s": samples / statistics.median(ours for ours, _ in pairs),
                "samples/s, search": samples / statistics.median(theirs for _, theirs in pairs),
                "ratio": ratio,
                "target": ">= 1",
                "": verdict(ratio >= 1),
                "tokens unused": mean_unused(built["ours"], length),
                "tokens unused, search": mean_unused(built["search"], length),
            }
        )
    notes = [
        f"niah_single_1, {samples} samples a cell; process seconds, median of {turns} turns",
        "unused: mean tokens that a prompt and its answer leave of the length; the search goes in steps of "
        f"{STEP} lines",
    ]
    return Table("Building samples, against a search that tokenizes again", rows, notes)


def seconds(work: Callable[[], object]) -> float:
    """Process seconds of one call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def mean_unused(rows: list[dict], length: int) -> float:
    """Mean of the tokens that are left."""
    return statistics.mean(length - row["length"] for row in rows)
