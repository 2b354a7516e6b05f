"""FlexPrefill's choice of blocks (arXiv 2502.20766), by the rules of its published code.

in : query [heads, n, d], key [groups, n, d] after the rotation, and the settings
out: bool [heads, blocks, blocks]: which key block each query block attends to
The last block of queries stands for all. Where its attention, pooled over key blocks, is what the pooled keys alone
would give, the head takes the best blocks of the pooled attention (query-aware); elsewhere, the columns and
diagonals that cover gamma of it (vertical-slash). The first column and the main diagonal are always kept.
"""

import torch
import torch.nn.functional as F

from eval.inference.prompt_attention import PromptAttention, causal_blocks, count_blocks
from eval.inference.settings import FlexPrefillSettings, InferenceSettings


def attention(options: InferenceSettings, layers: int, heads: int) -> PromptAttention:
    """FlexPrefill for a model of any number of layers and heads."""
    settings = options.flexprefill
    return PromptAttention(
        lambda layer, query, key, scaling: chosen_blocks(query, key, scaling, settings), settings.block
    )


def chosen_blocks(
    query: torch.Tensor, key: torch.Tensor, scaling: float, settings: FlexPrefillSettings
) -> torch.Tensor:
    """The blocks of every head; all causal ones at gamma 1 and for prompts too short to be worth a choice."""
    heads, tokens, _ = query.shape
    block = settings.block
    causal = causal_blocks(tokens, block, query.device)
    least = count_blocks(settings.min_budget, block)
    if settings.gamma >= 1 or tokens <= max(2, least) * block:
        return causal.expand(heads, -1, -1)
    attention = last_attention(query, key, scaling, block)
    column_share, diagonal_share = attention.mean(1), diagonal_sums(attention) / block
    columns, diagonals = pooled(column_share, block), pooled(diagonal_share, block)
    pooled_key = block_means(key, block).repeat_interleave(heads // len(key), 0)
    estimate = torch.softmax(scaling * (query[:, -block:].mean(1, keepdim=True) @ pooled_key.mT).float(), -1)[:, 0]
    query_aware = root_divergence(estimate, columns) < settings.tau
    most = len(causal) if settings.max_budget is None else count_blocks(settings.max_budget, block)
    budgets = [
        torch.where(query_aware, least, covering(share, settings.gamma, block).clamp(min=least)).clamp(max=most)
        for share in (column_share, diagonal_share)
    ]
    # The last entry of `diagonals` is the main diagonal; distance 0 comes first after the flip.
    columns[:, 0] = diagonals[:, -1] = torch.inf
    blocks = crossed(largest(columns, budgets[0]), largest(diagonals, budgets[1]).flip(-1))
    for head in query_aware.nonzero().flatten().tolist():
        blocks[head] |= best_pairs(block_means(query[head, None], block)[0], pooled_key[head], scaling, settings.gamma)
    return blocks & causal


def last_attention(query: torch.Tensor, key: torch.Tensor, scaling: float, block: int) -> torch.Tensor:
    """Attention weights of the last `block` queries over all keys: fp32 [heads, block, n]."""
    heads, tokens, width = query.shape
    last = (query[:, -block:] * scaling).reshape(len(key), -1, width)
    scores = (last @ key.mT).view(heads, block, tokens)
    later = torch.ones(block, block, dtype=torch.bool, device=query.device).triu(1)
    scores[..., -block:].masked_fill_(later, -torch.inf)
    return torch.softmax(scores.float(), -1)


def diagonal_sums(attention: torch.Tensor) -> torch.Tensor:
    """[heads, n]: entry c sums the weights at distance n - 1 - c between a query and its key."""
    heads, rows, tokens = attention.shape
    width = tokens + rows - 1
    padded = F.pad(attention, (rows - 1, 0)).contiguous()
    # One more column a row: row r then starts r further to the right, so that diagonals are columns.
    return padded.as_strided((heads, rows, tokens), (rows * width, width + 1, 1)).sum(1)


def pooled(share: torch.Tensor, block: int) -> torch.Tensor:
    """Sums over blocks of the last axis, its end filled up with zeros: [heads, n] -> [heads, blocks]."""
    missing = -share.shape[-1] % block
    return F.pad(share, (0, missing)).unflatten(-1, (-1, block)).sum(-1)


def block_means(states: torch.Tensor, block: int) -> torch.Tensor:
    """Means over blocks of tokens, the last over the tokens it has: [heads, n, d] -> [heads, blocks, d]."""
    return torch.stack([part.mean(1) for part in states.split(block, 1)], 1)


def covering(share: torch.Tensor, gamma: float, block: int) -> torch.Tensor:
    """Blocks for the fewest tokens that cover more than gamma of `share` [heads, n]: [heads] (count)."""
    covered = share.sort(-1, descending=True).values.cumsum(-1)
    return ((covered <= gamma).sum(-1) + 1) // block + 1


def root_divergence(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """Square root of the Jensen-Shannon divergence along the last axis, in nats; 0 log 0 is 0."""
    middle = (p + q) / 2
    halves = [torch.where(part > 0, part * (part / middle).log(), 0).sum(-1) / 2 for part in (p, q)]
    return (halves[0] + halves[1]).clamp(min=0).sqrt()


def largest(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Bool like `values` [heads, m]: the `counts` [heads] largest; among equals the first."""
    rank = values.argsort(dim=-1, descending=True, stable=True).argsort(-1)
    return rank < counts[:, None]


def crossed(columns: torch.Tensor, distances: torch.Tensor) -> torch.Tensor:
    """Blocks in a kept column or at a kept distance from the diagonal: [heads, blocks, blocks]."""
    count = columns.shape[-1]
    places = torch.arange(count, device=columns.device)
    return columns[:, None, :] | distances[:, (places[:, None] - places).clamp(min=0)]


def best_pairs(queries: torch.Tensor, keys: torch.Tensor, scaling: float, gamma: float) -> torch.Tensor:
    """The likeliest pairs of pooled query and key that together stay within gamma of all: bool [blocks, blocks]."""
    count = len(queries)
    later = torch.ones(count, count, dtype=torch.bool, device=queries.device).triu(1)
    weights = torch.softmax((scaling * (queries @ keys.T)).float().masked_fill(later, -torch.inf), -1).flatten()
    order = weights.argsort(dim=0, descending=True, stable=True)
    kept = torch.zeros_like(weights, dtype=torch.bool)
    kept[order[weights[order].cumsum(0) <= gamma * count]] = True
    return kept.view(count, count)
