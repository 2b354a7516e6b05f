"""FlexPrefill's choice beside a slow one that is written with loops over single tokens and blocks."""

import math

import pytest
import torch

from eval.inference.flexprefill import chosen_blocks, root_divergence
from eval.inference.prompt_attention import causal_blocks
from eval.inference.settings import FlexPrefillSettings

BLOCK = 8
SCALING = 0.25
# Between the divergences of the heads of the cases below: some are query-aware, some are not.
TAU = 0.165


def states(heads: int, tokens: int, seed: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(heads, tokens, 16, generator=torch.Generator().manual_seed(seed))


def softmax(scores: list[float]) -> list[float]:
    largest = max(scores)
    weights = [math.exp(score - largest) for score in scores]
    return [weight / sum(weights) for weight in weights]


def mean(vectors: torch.Tensor) -> torch.Tensor:
    return vectors.double().mean(0)


def blocks_for(share: list[float], settings: FlexPrefillSettings) -> int:
    covered, count = 0.0, 0
    for weight in sorted(share, reverse=True):
        covered += weight
        count += 1
        if covered > settings.gamma:
            break
    least = math.ceil(settings.min_budget / BLOCK)
    most = math.inf if settings.max_budget is None else math.ceil(settings.max_budget / BLOCK)
    return min(max(count // BLOCK + 1, least), most)


def slow_choice(query: torch.Tensor, key: torch.Tensor, settings: FlexPrefillSettings) -> tuple[set, bool]:
    """({(query block, key block)}, whether the head is query-aware) of one head."""
    tokens = len(query)
    count = math.ceil(tokens / BLOCK)
    least = math.ceil(settings.min_budget / BLOCK)
    scores = SCALING * (query.double() @ key.double().T)
    columns, distances = [0.0] * tokens, [0.0] * tokens
    for row in range(tokens - BLOCK, tokens):
        for place, weight in enumerate(softmax(scores[row, : row + 1].tolist())):
            columns[place] += weight / BLOCK
            distances[row - place] += weight / BLOCK
    by_column = [sum(columns[start : start + BLOCK]) for start in range(0, tokens, BLOCK)]
    # Diagonals are numbered from the farthest on, and pooled in that order.
    ordered = distances[::-1]
    by_distance = [sum(ordered[start : start + BLOCK]) for start in range(0, tokens, BLOCK)][::-1]
    pooled_keys = [mean(key[start : start + BLOCK]) for start in range(0, tokens, BLOCK)]
    estimate = softmax([SCALING * float(mean(query[-BLOCK:]) @ pooled) for pooled in pooled_keys])
    middle = [(p + q) / 2 for p, q in zip(estimate, by_column, strict=True)]
    divergence = sum(
        p / 2 * math.log(p / m) + q / 2 * math.log(q / m) for p, q, m in zip(estimate, by_column, middle, strict=True)
    )
    query_aware = math.sqrt(divergence) < settings.tau
    column_budget = least if query_aware else blocks_for(columns, settings)
    distance_budget = least if query_aware else blocks_for(distances, settings)
    by_column[0] = by_distance[0] = math.inf
    kept_columns = sorted(range(count), key=lambda place: -by_column[place])[:column_budget]
    kept_distances = sorted(range(count), key=lambda place: -by_distance[place])[:distance_budget]
    kept = {
        (row, column)
        for row in range(count)
        for column in range(row + 1)
        if column in kept_columns or row - column in kept_distances
    }
    if query_aware:
        kept |= pairs_within(query, pooled_keys, settings.gamma * count)
    return kept, query_aware


def pairs_within(query: torch.Tensor, pooled_keys: list, mark: float) -> set:
    weights = {}
    for row, start in enumerate(range(0, len(query), BLOCK)):
        pooled = mean(query[start : start + BLOCK])
        row_weights = softmax([SCALING * float(pooled @ other) for other in pooled_keys[: row + 1]])
        weights |= {(row, column): weight for column, weight in enumerate(row_weights)}
    kept, covered = set(), 0.0
    for pair in sorted(weights, key=lambda pair: -weights[pair]):
        covered += weights[pair]
        if covered > mark:
            break
        kept.add(pair)
    return kept


def pairs(blocks: torch.Tensor) -> set:
    return {(row, column) for row, column in blocks.nonzero().tolist()}


@pytest.mark.parametrize("tokens", [64, 100, 203])
@pytest.mark.parametrize("gamma", [0.5, 0.9])
@pytest.mark.parametrize(("tau", "scale"), [(0.0, 1.5), (TAU, 1.5), (10.0, 1.0)])
@pytest.mark.parametrize(("least", "most"), [(8, None), (20, 40)])
def test_the_choice_is_that_of_the_slow_rules(tokens, gamma, tau, scale, least, most):
    settings = FlexPrefillSettings(gamma=gamma, tau=tau, min_budget=least, max_budget=most, block=BLOCK)
    query, key = states(4, tokens, tokens, scale), states(2, tokens, 7, scale)
    found = chosen_blocks(query, key, SCALING, settings)
    for head in range(4):
        expected, _ = slow_choice(query[head], key[head // 2], settings)
        assert pairs(found[head]) == expected


def test_the_cases_above_have_heads_of_both_kinds():
    settings = FlexPrefillSettings(gamma=0.9, tau=TAU, min_budget=8, block=BLOCK)
    query, key = states(4, 100, 100, 1.5), states(2, 100, 7, 1.5)
    assert {slow_choice(query[head], key[head // 2], settings)[1] for head in range(4)} == {True, False}


def test_the_first_column_and_the_diagonal_are_always_kept_and_nothing_later():
    settings = FlexPrefillSettings(gamma=0.1, tau=0.0, min_budget=8, block=BLOCK)
    blocks = chosen_blocks(states(4, 200, 1), states(4, 200, 2), SCALING, settings)
    assert blocks[:, :, 0].all()
    assert blocks.diagonal(dim1=1, dim2=2).all()
    assert not blocks.triu(1).any()
    assert blocks.float().mean() < 0.4


@pytest.mark.parametrize(
    "settings",
    [
        FlexPrefillSettings(gamma=1.0, min_budget=8, block=BLOCK),
        FlexPrefillSettings(gamma=0.1, min_budget=100, block=BLOCK),
        FlexPrefillSettings(gamma=0.1, min_budget=8, block=64),
    ],
)
def test_gamma_one_and_short_prompts_keep_every_block(settings):
    blocks = chosen_blocks(states(2, 100, 1), states(1, 100, 2), SCALING, settings)
    assert torch.equal(blocks, causal_blocks(100, settings.block, blocks.device).expand(2, -1, -1))


def test_the_divergence_of_equal_shares_is_zero_and_of_disjoint_ones_the_root_of_log_two():
    p, q = torch.tensor([[0.5, 0.5, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 0.25, 0.75]])
    assert root_divergence(p, p).item() == 0
    assert root_divergence(p, q).item() == pytest.approx(math.sqrt(math.log(2)))
