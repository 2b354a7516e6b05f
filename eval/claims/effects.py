"""Differences between two models of a study: how large, how sure, and what size these seeds would have seen.

in : for every seed, the paired differences of samples, one list for each cell of an outcome
out: `Effect`; the mean over seeds of the mean over cells, with an interval, a p-value and the power of the comparison
invariant: a sample is only ever compared with itself, and a seed with itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

# They leave 2 % of noise on the width of a 95 % interval.
RESAMPLES = 2_000
LEVEL = 0.95
# The chance of seeing a difference that is there; 80 % is the custom.
POWER = 0.8


@dataclass(frozen=True)
class Effect:
    """Second minus first, in the outcome's unit; of one seed the interval is one over samples.

    p_value: two-sided, Student's t over the seeds. detectable: the difference that so many seeds, as far apart as these
    are, would have shown four times in five.
    """

    seeds: int
    samples: int
    mean: float
    low: float
    high: float
    p_value: float | None
    detectable: float | None


def paired_effect(differences: Sequence[Sequence[np.ndarray]], seed: int = 0) -> Effect:
    """The effect of differences[seed][cell][sample]; every cell of a seed and every seed weighs the same.

    The interval is the wider of two on each side: the percentile bootstrap over seeds, and samples within them, and
    Student's t over the seeds' means, since the bootstrap of a handful of seeds is too narrow.
    """
    by_seed = np.array([np.mean([cell.mean() for cell in cells]) for cells in differences])
    low, high = bootstrap_over_seeds_and_samples(differences, seed)
    mean, count = float(by_seed.mean()), len(by_seed)
    samples = sum(len(cell) for cells in differences for cell in cells)
    if count < 2:
        return Effect(count, samples, mean, low, high, None, None)
    error = float(by_seed.std(ddof=1) / np.sqrt(count))
    reach = stats.t.ppf((1 + LEVEL) / 2, count - 1) * error
    detectable = float(reach + stats.t.ppf(POWER, count - 1) * error)
    p_value = float(2 * stats.t.sf(abs(mean) / error, count - 1)) if error else (1.0 if mean == 0 else 0.0)
    return Effect(count, samples, mean, min(low, mean - reach), max(high, mean + reach), p_value, detectable)


def bootstrap_over_seeds_and_samples(differences: Sequence[Sequence[np.ndarray]], seed: int = 0) -> tuple[float, float]:
    """(low, high) of the mean over seeds: seeds are drawn with replacement, and samples of each of their cells."""
    generator = np.random.default_rng(seed)
    resampled_SR = np.array(
        [np.mean([resampled_means(cell, generator) for cell in cells], axis=0) for cells in differences]
    )
    count = len(differences)
    chosen_RS = generator.integers(count, size=(RESAMPLES, count))
    # Each draw of a seed takes another resample of its samples.
    turn_RS = (np.arange(RESAMPLES)[:, None] + np.arange(count) * (RESAMPLES // count)) % RESAMPLES
    means_R = resampled_SR[chosen_RS, turn_RS].mean(axis=1)
    low, high = np.quantile(means_R, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def resampled_means(values: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Means of RESAMPLES draws with replacement from the samples of a cell: [RESAMPLES]."""
    return values[generator.integers(len(values), size=(RESAMPLES, len(values)))].mean(axis=1)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction: the p-values as if each of these comparisons were the only one; None stays None."""
    known = sorted((value, index) for index, value in enumerate(p_values) if value is not None)
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (value, index) in enumerate(known):
        largest = max(largest, min(1.0, value * (len(known) - rank)))
        corrected[index] = largest
    return corrected
