import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.inference.prompt_attention import block_sparse_attention, causal_blocks, count_blocks

BLOCK = 8


def states(heads: int, tokens: int, seed: int = 0, width: int = 16) -> torch.Tensor:
    return torch.randn(heads, tokens, width, generator=torch.Generator().manual_seed(seed))


def masked_attention(query, key, value, chosen, scaling):
    """Dense scores, then a mask of single tokens."""
    tokens = query.shape[1]
    blocks = torch.arange(tokens) // BLOCK
    visible = chosen[:, blocks][:, :, blocks] & torch.ones(tokens, tokens, dtype=torch.bool).tril()
    groups = len(query) // len(key)
    scores = scaling * query @ key.repeat_interleave(groups, 0).mT
    return scores.masked_fill(~visible, -torch.inf).softmax(-1) @ value.repeat_interleave(groups, 0)


@settings(max_examples=25)
@given(tokens=st.integers(1, 70), seed=st.integers(0, 99), density=st.floats(0, 1))
def test_only_the_chosen_blocks_are_attended_to(tokens, seed, density):
    query, key, value = states(4, tokens, seed), states(2, tokens, seed + 1), states(2, tokens, seed + 2)
    count = count_blocks(tokens, BLOCK)
    random = torch.rand(4, count, count, generator=torch.Generator().manual_seed(seed)) < density
    chosen = (random | torch.eye(count, dtype=torch.bool)) & causal_blocks(tokens, BLOCK, query.device)
    found = block_sparse_attention(query, key, value, chosen, block=BLOCK, scaling=0.25)
    torch.testing.assert_close(found, masked_attention(query, key, value, chosen, 0.25), rtol=1e-5, atol=1e-6)


def test_with_every_block_chosen_it_is_causal_attention():
    query, key, value = states(4, 61), states(2, 61, 1), states(2, 61, 2)
    every = causal_blocks(61, BLOCK, query.device).expand(4, -1, -1)
    expected = F.scaled_dot_product_attention(query[None], key[None], value[None], is_causal=True, enable_gqa=True)[0]
    found = block_sparse_attention(query, key, value, every, block=BLOCK, scaling=0.25)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_keys_of_blocks_that_are_not_chosen_are_never_read():
    query, key, value = states(2, 64), states(1, 64, 1), states(1, 64, 2)
    chosen = torch.eye(8, dtype=torch.bool).expand(2, -1, -1).clone()
    chosen[:, :, 0] = True
    key[:, 8:16], value[:, 8:16] = torch.nan, torch.nan
    found = block_sparse_attention(query, key, value, chosen, block=BLOCK, scaling=0.25)
    assert found[:, 8:16].isnan().all()
    assert not found[:, 16:].isnan().any()


@pytest.mark.parametrize(("tokens", "count"), [(1, 1), (8, 1), (9, 2), (16, 2)])
def test_the_last_block_may_be_filled_in_part(tokens, count):
    assert count_blocks(tokens, BLOCK) == count
