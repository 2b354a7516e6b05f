"""XAttention's choice beside a slow one that sums single scores over antidiagonals."""

import math

import pytest
import torch

from eval.inference import xattention
from eval.inference.prompt_attention import causal_blocks
from eval.inference.xattention import chosen_blocks

BLOCK = 8
SCALING = 0.25


def states(heads: int, tokens: int, seed: int) -> torch.Tensor:
    return torch.randn(heads, tokens, 16, generator=torch.Generator().manual_seed(seed))


def choose(query, key, threshold, stride):
    thresholds = torch.tensor(threshold).expand(len(query))
    return chosen_blocks(query, key, SCALING, thresholds, stride=stride, block=BLOCK)


def slow_choice(query: torch.Tensor, key: torch.Tensor, threshold: float, stride: int) -> set:
    tokens, count = len(query), math.ceil(len(query) / BLOCK)
    scores = (query.double() @ key.double().T).tolist()

    def antidiagonal(row: int, column: int) -> float:
        """Scores of one stride x stride square on its antidiagonal; places behind the end count nothing."""
        places = [(row * stride + stride - 1 - step, column * stride + step) for step in range(stride)]
        return sum(scores[i][j] for i, j in places if i < tokens and j < tokens) * SCALING / stride

    shares = [[0.0] * count for _ in range(count)]
    for row in range(math.ceil(tokens / stride)):
        estimates = [antidiagonal(row, column) for column in range(row + 1)]
        weights = [math.exp(value - max(estimates)) for value in estimates]
        for column, weight in enumerate(weights):
            shares[row * stride // BLOCK][column * stride // BLOCK] += weight / sum(weights)
    kept = set()
    for row, share in enumerate(shares):
        chosen = {0, row}
        for column in sorted(set(range(row + 1)) - chosen, key=lambda column: -share[column]):
            if sum(share[other] for other in chosen) >= threshold * sum(share):
                break
            chosen.add(column)
        kept |= {(row, column) for column in chosen}
    return kept


@pytest.mark.parametrize("tokens", [8, 61, 100, 203])
@pytest.mark.parametrize("threshold", [0.3, 0.9])
@pytest.mark.parametrize("stride", [2, 4, 8])
def test_the_choice_is_that_of_the_slow_rules(tokens, threshold, stride):
    query, key = 3 * states(4, tokens, tokens), states(2, tokens, 7)
    found = choose(query, key, threshold, stride)
    for head in range(4):
        expected = slow_choice(query[head], key[head // 2], threshold, stride)
        assert {(row, column) for row, column in found[head].nonzero().tolist()} == expected


def test_a_long_row_is_estimated_in_parts_that_change_nothing(monkeypatch):
    query, key = states(2, 203, 1), states(1, 203, 2)
    whole = choose(query, key, 0.7, 4)
    monkeypatch.setattr(xattention, "LARGEST_PART", 100)
    assert torch.equal(choose(query, key, 0.7, 4), whole)
    assert whole.float().mean() < 0.4


def test_threshold_one_keeps_every_block_and_each_head_has_its_own_threshold():
    query, key = states(2, 203, 1), states(1, 203, 2)
    blocks = chosen_blocks(query, key, SCALING, torch.tensor([1.0, 0.2]), stride=4, block=BLOCK)
    assert torch.equal(blocks[0], causal_blocks(203, BLOCK, blocks.device))
    assert blocks[1].sum() < blocks[0].sum()
    assert blocks[1, :, 0].all()
    assert blocks[1].diagonal().all()
