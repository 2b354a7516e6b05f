"""Statistics over samples: how sure a mean is, and whether two models differ.

in : scores per sample, one list per group (a bucket, a task) that is averaged on its own; or the mean losses of
     documents and how many tokens each has
out: an interval of the mean, or of the mean loss of all tokens; the paired t-test of two models on the same samples
invariant: the same scores and seed give the same interval; scipy computes both.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from contracts.errors import InputError

# 10,000 resamples leave about 1 % of noise on the width of a 95 % interval.
RESAMPLES = 10_000
# Resamples drawn at once, so that 10,000 samples a group take 8 MB and not 800.
BATCH = 100


@dataclass(frozen=True)
class PairedTest:
    """Second model minus first, over the same samples; `statistic` and `p_value` are None where all differ alike."""

    samples: int
    mean_difference: float
    statistic: float | None
    p_value: float | None


def bootstrap_interval(
    groups: Sequence[Sequence[float]], seed: int, weights: Sequence[float] | None = None, level: float = 0.95
) -> tuple[float, float] | None:
    """(low, high) of the weighted sum of the groups' means, by the percentile bootstrap; None of nothing.

    Every group is resampled by itself, as its size is fixed by the benchmark. `weights` default to equal ones that
    sum to 1. An empty group counts for nothing.
    """
    if weights is None:
        weights = [1 / max(1, sum(bool(len(group)) for group in groups))] * len(groups)
    pairs = [(group, weight) for group, weight in zip(groups, weights, strict=True) if len(group)]
    if not pairs:
        return None
    # scipy refuses a group of one; twice the same value has the same mean and the same (lack of) spread.
    data = tuple(np.repeat(np.asarray(group, dtype=float), 2 if len(group) == 1 else 1) for group, _ in pairs)

    def weighted_mean(*samples: np.ndarray, axis: int) -> np.ndarray:
        return sum(weight * sample.mean(axis=axis) for (_, weight), sample in zip(pairs, samples, strict=True))

    return percentile_interval(data, weighted_mean, seed, level)


def bootstrap_intervals(
    samples: Sequence[Sequence[float]], seed: int, level: float = 0.95
) -> list[tuple[float, float]]:
    """The interval of the mean of every list: what `bootstrap_interval` gives for each alone, in less time.

    Lists of one length share their resamples.
    """
    intervals: dict[int, tuple[float, float]] = {}
    for length in {len(values) for values in samples}:
        places = [place for place, values in enumerate(samples) if len(values) == length]
        data = np.array([samples[place] for place in places], dtype=float)
        lows, highs = percentile_intervals((np.repeat(data, 2 if length == 1 else 1, axis=1),), np.mean, seed, level)
        intervals |= {place: (float(lows[at]), float(highs[at])) for at, place in enumerate(places)}
    return [intervals[place] for place in range(len(samples))]


def pooled_interval(
    losses: Sequence[float], tokens: Sequence[float], seed: int, level: float = 0.95
) -> tuple[float, float] | None:
    """(low, high) of the mean loss over all tokens, by the percentile bootstrap over documents; None of nothing.

    `losses` are the documents' means: a document that is drawn brings its loss and its tokens together.
    """
    if len(losses) < 2:
        return (float(losses[0]), float(losses[0])) if len(losses) else None
    counts = np.asarray(tokens, dtype=float)

    def pooled_mean(nats: np.ndarray, counts: np.ndarray, axis: int) -> np.ndarray:
        return nats.sum(axis=axis) / counts.sum(axis=axis)

    nats = np.asarray(losses, dtype=float) * counts
    return percentile_interval((nats, counts), pooled_mean, seed, level, paired=True)


def percentile_interval(
    data: tuple[np.ndarray, ...], statistic: Callable, seed: int, level: float, **options: bool
) -> tuple[float, float]:
    """(low, high) of a statistic by scipy's percentile bootstrap."""
    low, high = percentile_intervals(data, statistic, seed, level, **options)
    return float(low), float(high)


def percentile_intervals(
    data: tuple[np.ndarray, ...], statistic: Callable, seed: int, level: float, **options: bool
) -> tuple[np.ndarray, np.ndarray]:
    """(lows, highs) along the last axis."""
    with np.errstate(all="ignore"):
        interval = stats.bootstrap(
            data,
            statistic,
            n_resamples=RESAMPLES,
            batch=BATCH,
            vectorized=True,
            axis=-1,
            confidence_level=level,
            method="percentile",
            rng=np.random.default_rng(seed),
            **options,
        ).confidence_interval
    return interval.low, interval.high


def paired_t_test(first: Sequence[float], second: Sequence[float]) -> PairedTest:
    """Two-sided paired t-test of two models on the same samples, in the same order.

    Raises InputError for lists of different lengths or of fewer than two samples.
    """
    if len(first) != len(second):
        raise InputError(f"a paired test needs the same samples: {len(first)} and {len(second)} were given")
    if len(first) < 2:
        raise InputError("a paired test needs at least two samples; evaluate more")
    differences = np.asarray(second, dtype=float) - np.asarray(first, dtype=float)
    mean_difference = float(differences.mean())
    if np.ptp(differences) == 0:
        return PairedTest(len(first), mean_difference, None, None)
    test = stats.ttest_rel(second, first)
    return PairedTest(len(first), mean_difference, float(test.statistic), float(test.pvalue))
