"""The largest count of something that still fits."""

from collections.abc import Callable


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
