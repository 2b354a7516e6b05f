"""Best-fit decreasing: put items into bins of one capacity, the largest first, each where it fits tightest.

in : sizes, int [items], each in [1, capacity]      out: the bin of each item, int64 [items]
Invariants: no bin holds more than its capacity; equal input gives equal output (ties go to the newest bin).
Cost: O(items) placements, each a look-up in a two-level bit set of the remaining capacities.
"""

import numpy as np

WORD = 1024  # bits of a lower word: two levels of 1024 reach a million units of capacity in two look-ups


class OpenBins:
    """The bins that still have room, by what remains; the tightest that fits is found without a scan."""

    def __init__(self, capacity: int) -> None:
        self.stacks: list[list[int]] = [[] for _ in range(capacity + 1)]
        self.words = [0] * (capacity // WORD + 1)
        self.summary = 0

    def add(self, bin_number: int, remaining: int) -> None:
        """Offer what remains of a bin; a full one is forgotten."""
        if remaining:
            self.stacks[remaining].append(bin_number)
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

    def take(self, remaining: int) -> int:
        """Remove and return the newest bin with exactly `remaining` left."""
        stack = self.stacks[remaining]
        bin_number = stack.pop()
        if not stack:
            word = remaining // WORD
            self.words[word] &= ~(1 << (remaining % WORD))
            if not self.words[word]:
                self.summary &= ~(1 << word)
        return bin_number


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
    runs: list[tuple[int, int]] = []
    bins = OpenBins(capacity)
    opened = 0
    for size, count in zip(distinct[::-1].tolist(), counts[::-1].tolist(), strict=True):
        opened = place_equal_items(size, count, bins, opened, capacity, runs)
    in_order = np.repeat([run[0] for run in runs], [run[1] for run in runs]).astype(np.int64)
    bin_of = np.empty(len(sizes), dtype=np.int64)
    bin_of[np.argsort(-sizes, kind="stable")] = in_order
    return bin_of


def place_equal_items(
    size: int, count: int, bins: OpenBins, opened: int, capacity: int, runs: list[tuple[int, int]]
) -> int:
    """Place `count` items of one size and append (bin, items) to `runs`; returns the number of bins opened so far."""
    while count:
        remaining = bins.tightest(size)
        if remaining:
            bin_number = bins.take(remaining)
        else:
            bin_number, remaining = opened, capacity
            opened += 1
        taken = min(count, remaining // size)
        runs.append((bin_number, taken))
        bins.add(bin_number, remaining - taken * size)
        count -= taken
    return opened
