"""RULER's haystack: repeated noise, as much of it as the length allows, and prompts as token rows.

invariant: prompt + tokens_to_generate <= length, and one more unit of noise would not fit.
"""

from collections.abc import Callable

from contracts.errors import InputError
from eval.build_context import BuildContext

NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."


def largest_fitting(fits: Callable[[int], bool], smallest: int) -> int | None:
    """The largest count for which `fits` holds, found by doubling and halving; None where `smallest` fails.

    `fits` must be monotone: once it fails it fails for every larger count.
    """
    if not fits(smallest):
        return None
    low, high = smallest, smallest * 2
    while fits(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def fill(context: BuildContext, prompt_of: Callable[[int], str], budget: int, smallest: int) -> tuple[int, str]:
    """(units of noise, prompt) for the most noise with which the prompt has at most `budget` tokens.

    Raises InputError where even `smallest` units do not fit.
    """
    overhead = len(context.beginning)

    def fits(units: int) -> bool:
        return overhead + len(context.tokenizer.encode(prompt_of(units))) <= budget

    units = largest_fitting(fits, smallest)
    if units is None:
        raise InputError(f"--length {context.length}: task {context.task} does not fit into it; choose a longer length")
    return units, prompt_of(units)


def prompt_sample(context: BuildContext, prompt: str, answer_prefix: str, references: list[str], budget: int) -> dict:
    """One sample that a model answers by writing on: the tokens of prompt + answer_prefix, and what must be found."""
    input_ids = [*context.beginning, *context.tokenizer.encode(prompt + answer_prefix)]
    return {
        "input": prompt,
        "answer_prefix": answer_prefix,
        "outputs": references,
        "input_ids": input_ids,
        "tokens_to_generate": budget,
        "length": len(input_ids) + budget,
    }
