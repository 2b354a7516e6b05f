"""Intervals and tests of means: against formulas, and in the corners."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from contracts.errors import InputError
from eval.scoring.statistics import bootstrap_interval, bootstrap_intervals, paired_t_test, pooled_interval

scores = st.lists(st.floats(0, 1), min_size=2, max_size=20)


def normal(count: int, seed: int) -> list[float]:
    generator = random.Random(seed)
    return [generator.gauss(0.5, 0.2) for _ in range(count)]


def test_the_interval_of_a_mean_is_that_of_the_normal_approximation():
    values = normal(400, 1)
    low, high = bootstrap_interval([values], seed=7)
    half = 1.96 * np.std(values) / math.sqrt(len(values))
    assert low == pytest.approx(np.mean(values) - half, abs=0.1 * half)
    assert high == pytest.approx(np.mean(values) + half, abs=0.1 * half)


def test_groups_of_other_sizes_weigh_as_asked_and_each_brings_its_own_noise():
    groups, weights = [normal(50, 2), normal(400, 3), normal(100, 4)], (0.2, 0.3, 0.5)
    low, high = bootstrap_interval(groups, seed=7, weights=weights)
    center = sum(weight * np.mean(group) for weight, group in zip(weights, groups, strict=True))
    variance = sum(weight**2 * np.var(group) / len(group) for weight, group in zip(weights, groups, strict=True))
    assert (low + high) / 2 == pytest.approx(center, abs=0.1 * math.sqrt(variance))
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(variance), rel=0.1)


def test_the_same_seed_gives_the_same_interval_and_another_another():
    values = [normal(60, 5)]
    assert (
        bootstrap_interval(values, seed=1) == bootstrap_interval(values, seed=1) != bootstrap_interval(values, seed=2)
    )


def test_nothing_has_no_interval_and_one_value_or_equal_values_have_none_in_width():
    assert bootstrap_interval([], seed=1) is None
    assert bootstrap_interval([[], []], seed=1) is None
    assert bootstrap_interval([[0.25]], seed=1) == (0.25, 0.25)
    assert bootstrap_interval([[1.0, 1.0], [], [0.0, 0.0]], seed=1) == (0.5, 0.5)


def test_documents_of_equal_length_have_the_interval_of_a_mean():
    losses = normal(300, 6)
    low, high = pooled_interval(losses, [100] * 300, seed=7)
    half = 1.96 * np.std(losses) / math.sqrt(len(losses))
    assert (low, high) == pytest.approx((np.mean(losses) - half, np.mean(losses) + half), abs=0.1 * half)


def test_long_documents_weigh_more_in_a_pooled_loss_and_are_drawn_whole():
    losses, tokens = [*normal(200, 8), *(value + 1 for value in normal(200, 9))], [10] * 200 + [990] * 200
    low, high = pooled_interval(losses, tokens, seed=7)
    pooled = np.dot(losses, tokens) / sum(tokens)
    # The delta method: what a document adds to the pooled loss is its own deviation, times its tokens.
    error = np.sqrt(np.sum((np.array(tokens) * (np.array(losses) - pooled)) ** 2)) / sum(tokens)
    assert (low + high) / 2 == pytest.approx(pooled, abs=0.2 * error)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_a_pooled_loss_of_one_document_has_no_width_and_of_none_no_interval():
    assert pooled_interval([2.5], [7], seed=1) == (2.5, 2.5)
    assert pooled_interval([], [], seed=1) is None
    assert pooled_interval([1.5, 1.5], [3, 4], seed=1) == (1.5, 1.5)


@given(scores, st.integers(0, 2**32))
def test_the_t_statistic_is_the_mean_difference_over_its_standard_error(first, seed):
    second = [value + noise - 0.4 for value, noise in zip(first, normal(len(first), seed), strict=True)]
    test = paired_t_test(first, second)
    differences = np.subtract(second, first)
    expected = differences.mean() / (differences.std(ddof=1) / math.sqrt(len(first)))
    assert test.statistic == pytest.approx(expected, rel=1e-9)
    assert test.p_value == pytest.approx(2 * stats.t.sf(abs(expected), len(first) - 1), rel=1e-6)
    assert test.mean_difference == pytest.approx(differences.mean())


def test_models_that_never_differ_have_no_p_value():
    test = paired_t_test([0.1, 0.2], [0.1, 0.2])
    assert (test.samples, test.mean_difference, test.statistic, test.p_value) == (2, 0.0, None, None)


@pytest.mark.parametrize(("first", "second"), [([1.0], [1.0]), ([1.0, 2.0], [1.0])])
def test_too_few_or_unpaired_samples_are_refused(first, second):
    with pytest.raises(InputError, match="paired test needs"):
        paired_t_test(first, second)


def test_many_intervals_at_once_are_those_that_each_list_has_alone():
    generator = np.random.default_rng(4)
    samples = [generator.normal(size=length).tolist() for length in (7, 1, 12, 7, 7)]
    alone = [bootstrap_interval([values], seed=3) for values in samples]
    assert np.array(bootstrap_intervals(samples, seed=3)) == pytest.approx(np.array(alone))
