"""As much text as the length allows, without tokenizing the whole prompt again and again.

in : a prediction of the prompt's tokens from pieces that were counted once, and the sample for a number of units
out: the sample with the most units whose prompt and answer fit the length
invariant: prompt + generated tokens <= length, and one more unit would not fit. The prediction may be off by a
constant (chat template, BOS): the first whole tokenization tells it, and a right one ends the work there.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence

from contracts.errors import InputError
from contracts.tokenizer import Tokenizer

# A prediction this close to the length (tokens) is checked: tokens that join over a border may cost or save as much.
DOUBT = 4
MOST_UNITS = 1 << 40


def fill(
    length: int,
    predicted: Callable[[int], int],
    sample_of: Callable[[int], dict],
    smallest: int,
    largest: int = MOST_UNITS,
    what: str = "a prompt",
) -> tuple[int, dict]:
    """(units, sample) for the most units that fit `length` tokens.

    `predicted(units)` never decreases; `sample_of(units)` is a sample with its real "length" (tokens, the answer's
    included). InputError says `what` does not fit where `smallest` units do not.
    """
    fits, best = smallest, sample_of(smallest)
    if best["length"] > length:
        raise InputError(f"{what} takes at least {best['length']} tokens, {length} are given; choose a longer length")
    offset, too_many = best["length"] - predicted(fits), largest + 1
    while too_many - fits > 1:
        units = most_units(predicted, length - offset, fits, too_many)
        if units == fits:
            if predicted(fits + 1) + offset - length > DOUBT:
                break
            units += 1
        sample = sample_of(units)
        offset = sample["length"] - predicted(units)
        if sample["length"] <= length:
            fits, best = units, sample
        else:
            too_many = units
    return fits, best


def most_units(predicted: Callable[[int], int], budget: int, low: int, high: int) -> int:
    """The most units in [low, high) whose prediction is within the budget; `low` where none is."""
    step = 1
    while low + step < high and predicted(low + step) <= budget:
        step *= 2
    reach = range(low + 1, min(low + step, high - 1) + 1)
    return low + bisect_right(reach, budget, key=predicted)


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


def piece_tokens(tokenizer: Tokenizer, pieces: Sequence[str], before: str) -> list[int]:
    """Tokens of each piece where it stands after `before`: what it adds, not what it would take alone.

    Alone, a piece may get a token of its own for its beginning (sentencepiece's dummy prefix).
    """
    alone = len(tokenizer.encode(before))
    return [len(ids) - alone for ids in tokenizer.encode_batch([before + piece for piece in pieces])]


def cumulative(costs: Sequence[int]) -> list[int]:
    """[0, costs[0], costs[0] + costs[1], ...]."""
    sums = [0]
    for cost in costs:
        sums.append(sums[-1] + cost)
    return sums
