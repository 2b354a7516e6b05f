import random

from hypothesis import given
from hypothesis import strategies as st

from eval.building.context import sample_generator

seeds = st.integers(0, 2**32)


@given(seed=seeds, length=st.integers(1, 10**6), index=st.integers(0, 1000))
def test_a_sample_always_gets_the_same_numbers(seed, length, index):
    first = sample_generator(seed, "vt", length, index).random()
    random.random()
    assert sample_generator(seed, "vt", length, index).random() == first


@given(seed=seeds, length=st.integers(1, 10**6), index=st.integers(0, 1000))
def test_task_length_and_index_each_give_other_numbers(seed, length, index):
    def draw(*parts):
        return sample_generator(*parts).random()

    numbers = {
        draw(seed, "vt", length, index),
        draw(seed, "hops", length, index),
        draw(seed, "vt", length + 1, index),
        draw(seed, "vt", length, index + 1),
        draw(seed + 1, "vt", length, index),
    }
    assert len(numbers) == 5
