"""Packed attention against a dense float64 oracle, and every context-parallel shard against the whole."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_cdt.engine.attention import attend_by_segment
from megatron_cdt.engine.zigzag import local_token_indices


def dense_oracle(query_NAD, key_NGD, value_NGD, lengths):
    """softmax(QK^T / sqrt(D)) V with one n x n mask: same segment, not later; float64."""
    repeats = query_NAD.shape[1] // key_NGD.shape[1]
    query, key, value = query_NAD.double(), *(t.double().repeat_interleave(repeats, 1) for t in (key_NGD, value_NGD))
    segment = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    allowed = (segment[:, None] == segment[None, :]).tril()
    scores = torch.einsum("qad,kad->aqk", query, key) / query.shape[-1] ** 0.5
    weights = scores.masked_fill(~allowed, float("-inf")).softmax(-1)
    return torch.einsum("aqk,kad->qad", weights, value).flatten(1)


def random_heads(total, generator):
    return [torch.randn(total, heads, 8, generator=generator) for heads in (4, 2, 2)]


@settings(deadline=None, max_examples=25)
@given(chunks=st.lists(st.integers(1, 4), min_size=1, max_size=4), cp_size=st.sampled_from([1, 2, 4]))
def test_each_ranks_queries_get_what_the_dense_oracle_gives_them(chunks, cp_size):
    lengths = [2 * cp_size * chunk for chunk in chunks]
    query, key, value = random_heads(sum(lengths), torch.Generator().manual_seed(sum(lengths)))
    expected = dense_oracle(query, key, value, lengths)
    for rank in range(cp_size):
        held = local_token_indices(lengths, cp_size, rank)
        output = attend_by_segment(query[held], key, value, lengths, cp_size, rank, None)
        torch.testing.assert_close(output.double(), expected[held], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("changed", [0, 5, 9])
def test_a_token_is_seen_only_by_itself_and_later_tokens_of_its_own_segment(changed):
    lengths, generator = [6, 6], torch.Generator().manual_seed(0)
    query, key, value = random_heads(12, generator)
    before = attend_by_segment(query, key, value, lengths, 1, 0, None)
    value[changed] += 1
    after = attend_by_segment(query, key, value, lengths, 1, 0, None)
    moved = (before != after).any(dim=1).nonzero().squeeze(1).tolist()
    assert moved == list(range(changed, 6 if changed < 6 else 12))
