"""The zigzag cut is a partition of the row, and balances causal work."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from megatron_cdt.engine.zigzag import local_token_indices, row_order

SIZES = st.sampled_from([1, 2, 3, 4, 8])
CHUNKS = st.lists(st.integers(1, 5), min_size=1, max_size=5)


@given(cp_size=SIZES, chunks=CHUNKS)
def test_every_token_of_a_row_is_held_by_exactly_one_rank(cp_size, chunks):
    lengths = [2 * cp_size * chunk for chunk in chunks]
    held = torch.cat([local_token_indices(lengths, cp_size, rank) for rank in range(cp_size)])
    assert torch.equal(held.sort().values, torch.arange(sum(lengths)))


@given(cp_size=SIZES, chunks=CHUNKS)
def test_row_order_puts_gathered_shards_back_in_place(cp_size, chunks):
    lengths = [2 * cp_size * chunk for chunk in chunks]
    gathered = torch.cat([local_token_indices(lengths, cp_size, rank) for rank in range(cp_size)])
    assert torch.equal(gathered[row_order(lengths, cp_size)], torch.arange(sum(lengths)))


@given(cp_size=SIZES, chunk=st.integers(1, 6))
def test_every_rank_attends_to_the_same_number_of_keys(cp_size, chunk):
    length = 2 * cp_size * chunk
    work = {sum(int(i) + 1 for i in local_token_indices([length], cp_size, rank)) for rank in range(cp_size)}
    assert len(work) == 1


def test_rank_0_of_2_holds_the_first_and_the_last_chunk_of_each_segment():
    assert local_token_indices([8, 4], 2, 0).tolist() == [0, 1, 6, 7, 8, 11]
    assert local_token_indices([8, 4], 2, 1).tolist() == [2, 3, 4, 5, 9, 10]


def test_a_segment_that_cannot_be_cut_evenly_is_refused():
    with pytest.raises(ValueError, match="6 tokens is not a multiple of 2\\*cp = 4"):
        local_token_indices([8, 6], 2, 0)
