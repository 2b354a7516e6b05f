"""Shares of attention: together they are the whole, and zigzag shares are equal."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benches.train.context_parallel import (
    contiguous_pairs,
    contiguous_share,
    forward_and_backward,
    imbalance,
    zigzag_pairs,
    zigzag_share,
)
from benches.train.flops import count_flops
from megatron_cdt.engine.zigzag import row_order


@given(chunk=st.integers(1, 9), size=st.sampled_from([1, 2, 4, 8]))
def test_both_ways_share_all_causal_pairs_and_zigzag_shares_them_evenly(chunk, size):
    tokens = 2 * size * chunk
    zigzag, contiguous = (
        [pairs(tokens, size, rank) for rank in range(size)] for pairs in (zigzag_pairs, contiguous_pairs)
    )
    assert sum(zigzag) == sum(contiguous) == tokens * (tokens + 1) // 2
    assert imbalance(zigzag) == 1
    assert size == 1 or imbalance(contiguous) > 1


@pytest.mark.parametrize("size", [2, 4])
def test_both_ways_compute_the_attention_of_the_whole(size):
    tokens = 8 * size
    whole = contiguous_share(tokens, 1, 0)().flatten(1)
    contiguous = torch.cat([contiguous_share(tokens, size, rank)().flatten(1) for rank in range(size)])
    zigzag = torch.cat([zigzag_share(tokens, size, rank)() for rank in range(size)])[row_order([tokens], size)]
    torch.testing.assert_close(contiguous, whole)
    torch.testing.assert_close(zigzag, whole)


def test_zigzag_ranks_do_equally_many_operations():
    flops = [count_flops(lambda rank=rank: forward_and_backward(zigzag_share(64, 4, rank))) for rank in range(4)]
    assert imbalance(flops) == 1
