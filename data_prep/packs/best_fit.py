"""Best-fit decreasing: put items into bins of one capacity, the largest first, each where it fits tightest.

in : sizes, int [items], each in [1, capacity]      out: the bin of each item, int64 [items]
Invariants: no bin holds more than its capacity; equal input gives equal output (ties go to the newest bins).
Cost: items of one size go into bins of one remaining capacity at a stroke, so the work grows with the number of
different sizes and not with the number of items; the tightest capacity is found in a two-level bit set.
"""

import numpy as np

WORD = 1024  # bits of a lower word: two levels of 1024 reach a million units of capacity in two look-ups


class OpenBins:
    """The bins that still have room, as ranges of bins with the same remaining capacity."""

    def __init__(self, capacity: int) -> None:
        self.stacks: list[list[tuple[int, int]]] = [[] for _ in range(capacity + 1)]
        self.words = [0] * (capacity // WORD + 1)
        self.summary = 0

    def add(self, first: int, count: int, remaining: int) -> None:
        """Offer what remains of the bins [first, first + count); full ones are forgotten."""
        if remaining and count:
            self.stacks[remaining].append((first, count))
            self.words[remaining // WORD] |= 1 << (remaining % WORD)
            self.summary |= 1 << (remaining // WORD)

    def tightest(self, size: int) -> int:
        """The least remaining capacity of at least `size` (1 or more); 0 where no bin has it."""
        word, bit = divmod(size, WORD)
        if here := self.words[word] >> bit:
            return size + lowest_bit(here)
        if above := self.summary >> (word + 1):
            word += 1 + lowest_bit(above)
            return word * WORD + lowest_bit(self.words[word])
        return 0

    def take(self, remaining: int) -> tuple[int, int]:
        """Remove and return the newest range (first bin, bins) with exactly `remaining` left."""
        stack = self.stacks[remaining]
        newest = stack.pop()
        if not stack:
            word = remaining // WORD
            self.words[word] &= ~(1 << (remaining % WORD))
            if not self.words[word]:
                self.summary &= ~(1 << word)
        return newest


def lowest_bit(number: int) -> int:
    """The index of the lowest set bit of a positive number."""
    return (number & -number).bit_length() - 1


def best_fit_decreasing(sizes: np.ndarray, capacity: int) -> np.ndarray:
    """The bin of each item, int64 [items]; bins are numbered from 0 in the order in which they were opened.

    Items of one size are placed together: a bin that takes one of them is, as long as it has room, also the
    tightest for the next.
    """
    sizes = np.asarray(sizes)
    distinct, counts = np.unique(sizes, return_counts=True)
    runs: list[tuple[int, int, int]] = []
    bins = OpenBins(capacity)
    opened = 0
    for size, count in zip(distinct[::-1].tolist(), counts[::-1].tolist(), strict=True):
        opened = place_equal_items(size, count, bins, opened, capacity, runs)
    first, used, each = np.array(runs, dtype=np.int64).reshape(-1, 3).T
    within = np.arange(used.sum()) - np.repeat(np.cumsum(used) - used, used)
    in_order = np.repeat(np.repeat(first, used) + within, np.repeat(each, used))
    bin_of = np.empty(len(sizes), dtype=np.int64)
    bin_of[np.argsort(-sizes, kind="stable")] = in_order
    return bin_of


def place_equal_items(
    size: int, count: int, bins: OpenBins, opened: int, capacity: int, runs: list[tuple[int, int, int]]
) -> int:
    """Place `count` items of one size; appends (first bin, bins, items in each) to `runs`.

    Returns the number of bins opened so far.
    """
    while count:
        remaining = bins.tightest(size)
        first, available = bins.take(remaining) if remaining else (opened, count)
        room = remaining or capacity
        each = room // size
        used = min(available, count // each)
        if used:
            runs.append((first, used, each))
            bins.add(first, used, room - each * size)
            count -= used * each
        if count and used < available:
            runs.append((first + used, 1, count))
            bins.add(first + used, 1, room - count * size)
            used, count = used + 1, 0
        if remaining:
            bins.add(first + used, available - used, remaining)
        else:
            opened += used
    return opened
