"""The learning rate of every step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_cdt.training.optimizer import learning_rate_at
from megatron_cdt.training.settings import TrainSettings


def schedule(steps: int, warmup: int, peak: float = 1.0, lowest: float = 0.1) -> list[float]:
    settings = TrainSettings(
        steps=steps, warmup_steps=warmup, learning_rate=peak, min_learning_rate=lowest, global_batch_rows=1
    )
    return [learning_rate_at(step, settings) for step in range(1, steps + 1)]


def test_it_rises_in_a_line_and_falls_in_a_cosine_to_the_minimum():
    assert schedule(steps=8, warmup=4) == pytest.approx([0.25, 0.5, 0.75, 1.0, 0.868198, 0.55, 0.231802, 0.1], abs=1e-6)


def test_without_warm_up_it_falls_from_the_first_step():
    assert schedule(steps=2, warmup=0) == pytest.approx([0.55, 0.1])


def test_equal_peak_and_minimum_are_a_constant_rate():
    assert schedule(steps=5, warmup=0, peak=3e-4, lowest=3e-4) == [3e-4] * 5


@given(st.integers(1, 60), st.data())
def test_it_peaks_once_warmed_up_and_ends_at_the_minimum(steps, data):
    warmup = data.draw(st.integers(0, steps - 1))
    rates = schedule(steps, warmup)
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert rates[-1] == pytest.approx(0.1)
    assert all(0 < rate <= 1 for rate in rates)
