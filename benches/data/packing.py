"""Time and fill of packing a million lengths, and what no packing can beat.

in : distributions of lengths      out: seconds, CPU seconds, rows, fill, the bound on the fill
The bound: every bin holds at most its capacity; items of more than half a row need a row each, and an item that
leaves less than the least item leaves that room empty.
"""

import time

import numpy as np

from data_prep.packs.plan import plan_rows
from data_prep.settings import PackSettings

MILLION = 1_000_000


def distributions() -> dict[str, tuple[np.ndarray, int, bool]]:
    """{name: (lengths, row, kept whole)}"""
    generator = np.random.default_rng(0)
    books = np.clip(generator.lognormal(11.4, 0.75, MILLION), 1000, 2_000_000).astype(np.int64)
    articles = np.clip(generator.lognormal(7.0, 1.1, MILLION), 20, 65_536).astype(np.int64)
    longmit = generator.integers(16_384, 131_073, 7000)
    longalpaca = generator.integers(16_384, 20_000, 1000)
    mixed = np.concatenate([longmit, longalpaca])
    return {
        "1,000,000 books (log-normal, median 89K), cut, rows of 64,000": (books, 64_000, False),
        "1,000,000 samples (log-normal, median 1.1K), whole, rows of 65,536": (articles, 65_536, True),
        "7,000 + 1,000 samples of 16K-128K, whole, rows of 131,072": (mixed, 131_072, True),
        "7,000 + 1,000 samples of 16K-128K, whole, rows of 262,144": (mixed, 262_144, True),
        "7,000 samples of 4K-128K, whole, rows of 131,072": (generator.integers(4096, 131_073, 7000), 131_072, True),
    }


def least_rows(lengths: np.ndarray, row: int) -> int:
    """No packing of whole lengths needs fewer rows (Martello and Toth's L2 bound, over a grid of thresholds)."""
    ordered = np.sort(lengths)
    sums = np.concatenate([[0], np.cumsum(ordered)])
    best = -(-int(sums[-1]) // row)
    for least in np.unique(np.linspace(0, row // 2, 512).astype(np.int64)):
        low, half, high = np.searchsorted(ordered, [least, row // 2 + 1, row - least + 1])
        large, middle = len(ordered) - high, high - half
        free = middle * row - int(sums[high] - sums[half])
        best = max(best, large + middle + max(0, -(-(int(sums[half] - sums[low]) - free) // row)))
    return best


def measure() -> list[dict]:
    """One row for each distribution."""
    measured = []
    for name, (lengths, row, whole) in distributions().items():
        settings = PackSettings(length=row, alignment=8, mode="best-fit")
        start, used = time.perf_counter(), time.process_time()
        plan = plan_rows(lengths, settings, np.full(len(lengths), whole))
        seconds, cpu = time.perf_counter() - start, time.process_time() - used
        rows = least_rows(lengths, row) if whole else -(-int(lengths.sum()) // row)
        measured.append(
            {
                "name": name,
                "seconds": seconds,
                "cpu_seconds": cpu,
                "rows": len(plan),
                "fill": int(plan.tokens.sum()) / (len(plan) * row),
                "fill_bound": int(lengths.sum()) / (rows * row),
            }
        )
    return measured
