"""RULER's haystack: repeated noise, as much of it as the length allows.

invariant: prompt + tokens_to_generate <= length, and one more unit of noise would not fit.
"""

from collections.abc import Callable

from contracts.errors import InputError
from eval.build_context import BuildContext
from eval.fitting import largest_fitting
from eval.prompts import prompt_writer

NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."


def fill(
    context: BuildContext, prompt_of: Callable[[int], tuple[str, str]], budget: int, smallest: int
) -> tuple[int, str]:
    """(units of noise, prompt) for the most noise with which prompt and answer prefix have at most `budget` tokens.

    Raises InputError where even `smallest` units do not fit.
    """
    writer = prompt_writer(context)

    def fits(units: int) -> bool:
        return len(writer.tokens(*prompt_of(units))) <= budget

    units = largest_fitting(fits, smallest)
    if units is None:
        raise InputError(f"--length {context.length}: task {context.task} does not fit into it; choose a longer length")
    return units, prompt_of(units)[0]
