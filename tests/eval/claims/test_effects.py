"""Effects over seeds: what is there is seen, what is not there is not, and the intervals cover what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from eval.claims.effects import holm, paired_effect


def drawn(generator, seeds: int, shift: float, between: float = 1.0, samples: int = 30) -> list[list[np.ndarray]]:
    """Differences of two cells whose seeds lie `between` apart and whose samples scatter by 3."""
    return [
        [generator.normal(shift + offset, 3.0, samples) for _ in range(2)]
        for offset in generator.normal(0, between, seeds)
    ]


def test_the_mean_weighs_cells_and_seeds_alike_and_the_p_value_is_scipy_s():
    differences = [
        [np.array([1.0, 3.0]), np.array([6.0])],
        [np.array([0.0]), np.array([2.0, 2.0, 2.0])],
        [np.array([3.0])] * 2,
    ]
    effect = paired_effect(differences)
    assert effect.mean == pytest.approx((4.0 + 1.0 + 3.0) / 3)
    assert effect.p_value == pytest.approx(stats.ttest_1samp([4.0, 1.0, 3.0], 0).pvalue)
    assert (effect.seeds, effect.samples) == (3, 9)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """With five seeds, 200 studies: at least 90 % of the intervals, which are the wider of two."""
    generator = np.random.default_rng(2)
    effects = [paired_effect(drawn(generator, 5, shift=0.7)) for _ in range(200)]
    assert np.mean([effect.low <= 0.7 <= effect.high for effect in effects]) >= 0.93


def test_a_difference_as_large_as_the_detectable_one_is_found_about_four_times_in_five():
    generator = np.random.default_rng(3)
    size = np.median([paired_effect(drawn(generator, 5, shift=0.0)).detectable for _ in range(100)])
    found = np.mean([paired_effect(drawn(generator, 5, shift=size)).p_value < 0.05 for _ in range(200)])
    assert 0.65 <= found <= 0.95


def test_one_seed_has_an_interval_over_samples_and_no_p_value():
    effect = paired_effect([[np.array([1.0, 2.0, 3.0])]])
    assert effect.low < effect.mean < effect.high
    assert effect.p_value is None
    assert effect.detectable is None


def test_equal_models_have_no_effect():
    effect = paired_effect([[np.zeros(4)], [np.zeros(4)]])
    assert (effect.mean, effect.low, effect.high, effect.p_value) == (0.0, 0.0, 0.0, 1.0)


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12))
def test_correction_never_makes_a_p_value_smaller_and_keeps_their_order(values):
    corrected = holm(values)
    pairs = sorted((value, other) for value, other in zip(values, corrected, strict=True) if value is not None)
    assert all(other >= value for value, other in pairs)
    assert [other for _, other in pairs] == sorted(other for _, other in pairs)
    assert [value is None for value in values] == [value is None for value in corrected]


def test_holm_s_own_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
