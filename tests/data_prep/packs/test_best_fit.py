"""Best-fit decreasing: legal bins, the textbook's choice of bin, and speed."""

import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from data_prep.packs.best_fit import best_fit_decreasing


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[int], int]:
    capacity = draw(st.integers(1, 3000))
    return draw(st.lists(st.integers(1, capacity), max_size=60)), capacity


def textbook(sizes: list[int], capacity: int) -> list[int]:
    """Sorted remaining room of each bin after best-fit decreasing, one item at a time."""
    remaining: list[int] = []
    for size in sorted(sizes, reverse=True):
        fitting = [room for room in remaining if room >= size]
        if fitting:
            remaining[remaining.index(min(fitting))] -= size
        else:
            remaining.append(capacity - size)
    return sorted(remaining)


@given(problem=problems())
def test_it_fills_the_bins_that_the_textbook_fills(problem: tuple[list[int], int]) -> None:
    sizes, capacity = problem
    bins = best_fit_decreasing(np.array(sizes, dtype=np.int64), capacity)
    filled = np.bincount(bins, weights=sizes) if sizes else np.array([])
    assert sorted((capacity - filled).astype(int).tolist()) == textbook(sizes, capacity)


@given(problem=problems(), seed=st.integers(0, 99))
def test_bins_hold_the_same_sizes_for_any_order_of_the_items(problem: tuple[list[int], int], seed: int) -> None:
    sizes, capacity = np.array(problem[0], dtype=np.int64), problem[1]
    shuffled = np.random.default_rng(seed).permutation(sizes)

    def contents(items: np.ndarray) -> list[list[int]]:
        bins = best_fit_decreasing(items, capacity)
        return [sorted(items[bins == number].tolist()) for number in range(bins.max() + 1 if len(bins) else 0)]

    assert contents(sizes) == contents(shuffled)


def test_a_hundred_thousand_lengths_fill_99_percent_in_a_second() -> None:
    lengths = np.random.default_rng(0).integers(1, 64_000, 100_000)
    start = time.process_time()
    bins = best_fit_decreasing(lengths, 64_000)
    assert time.process_time() - start < 1.5  # 0.2 s on an idle core
    assert lengths.sum() / ((bins.max() + 1) * 64_000) > 0.99
