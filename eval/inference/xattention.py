"""XAttention's choice of blocks (arXiv 2503.16428), by the rules of its published code.

in : query [heads, n, d], key [groups, n, d] after the rotation, stride S, a threshold for every head
out: bool [heads, blocks, blocks]: which key block each query block attends to
S tokens make one long vector, queries in reverse, so that a product of two sums S x S scores over their antidiagonal.
A query block keeps the first key block, its own, and the likeliest others until its share reaches the threshold.
The published code does so from its second chunk of queries on; in the first it does not force the first key block and
takes one block more than needed, so that the choice there depends on the size of its chunks. Here it never does.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F

from contracts.errors import InputError
from contracts.files import existing_file
from eval.inference.prompt_attention import PromptAttention, causal_blocks, count_blocks
from eval.inference.settings import InferenceSettings

# Scores of one head and so many rows of estimates are held at once (numbers).
LARGEST_PART = 2**24


def attention(options: InferenceSettings, layers: int, heads: int) -> PromptAttention:
    """XAttention for a model of `layers` x `heads`; InputError where the profiled thresholds do not fit it."""
    settings = options.xattention
    thresholds = torch.full((layers, heads), settings.threshold)
    if settings.thresholds:
        path = existing_file(settings.thresholds, "name a JSON file of thresholds, or null for one threshold")
        thresholds = read_thresholds(path, layers, heads)

    def choose(layer: int, query: torch.Tensor, key: torch.Tensor, scaling: float) -> torch.Tensor:
        return chosen_blocks(
            query, key, scaling, thresholds[layer].to(query.device), stride=settings.stride, block=settings.block
        )

    return PromptAttention(choose, settings.block)


def read_thresholds(path: Path, layers: int, heads: int) -> torch.Tensor:
    """fp32 [layers, heads] from a JSON file; InputError where it holds anything else."""
    try:
        thresholds = torch.tensor(json.loads(path.read_text(encoding="utf-8")), dtype=torch.float32)
    except (ValueError, TypeError):
        raise InputError(f"{path}: not a JSON list of lists of numbers; write one list of thresholds a layer") from None
    if thresholds.shape != (layers, heads):
        raise InputError(
            f"{path}: holds thresholds {list(thresholds.shape)}; the model has {layers} layers of {heads} heads"
        )
    return thresholds


def chosen_blocks(
    query: torch.Tensor, key: torch.Tensor, scaling: float, thresholds: torch.Tensor, *, stride: int, block: int
) -> torch.Tensor:
    """The blocks of every head; a head whose threshold is 1 keeps all causal ones."""
    heads, tokens, _ = query.shape
    causal = causal_blocks(tokens, block, query.device)
    blocks = causal.repeat(heads, 1, 1)
    group_size = heads // len(key)
    for head in (thresholds < 1).nonzero().flatten().tolist():
        shares = block_shares(query[head], key[head // group_size], scaling, stride=stride, block=block)
        blocks[head] &= covering(shares, thresholds[head].item())
    return blocks


def block_shares(query: torch.Tensor, key: torch.Tensor, scaling: float, *, stride: int, block: int) -> torch.Tensor:
    """Estimated attention of one head, summed over blocks: fp64 [blocks, blocks]."""
    tokens = len(query)
    rows = F.pad(query, (0, 0, 0, -tokens % block)).unflatten(0, (-1, stride)).flip(1).flatten(1)
    columns = F.pad(key, (0, 0, 0, -tokens % block)).unflatten(0, (-1, stride)).flatten(1)
    per_block = block // stride
    at_once = max(LARGEST_PART // len(columns) // per_block, 1) * per_block
    shares = [
        part_shares(part, columns, start * at_once, scaling / stride, per_block)
        for start, part in enumerate(rows.split(at_once))
    ]
    sums = torch.cat(shares)
    # Rows of filling alone count for nothing; one that holds a token counts in full.
    sums[count_blocks(tokens, stride) :] = 0
    return sums.unflatten(0, (-1, per_block)).sum(1).double()


def part_shares(rows: torch.Tensor, columns: torch.Tensor, first: int, scaling: float, per_block: int) -> torch.Tensor:
    """Softmax over the columns up to its own of every row from row `first` on, summed over key blocks."""
    places = torch.arange(len(columns), device=rows.device)
    later = places > torch.arange(first, first + len(rows), device=rows.device)[:, None]
    scores = (scaling * (rows @ columns.T)).float().masked_fill(later, -torch.inf)
    return torch.softmax(scores, -1).unflatten(1, (-1, per_block)).sum(-1)


def covering(shares: torch.Tensor, threshold: float) -> torch.Tensor:
    """Bool [blocks, blocks]: block 0, the diagonal, and the largest others until threshold x the row's sum is reached.

    A block is taken as long as those before it do not reach the mark; among equals the first comes first.
    """
    count = len(shares)
    kept = torch.eye(count, dtype=torch.bool, device=shares.device)
    kept[:, 0] = True
    others = shares.masked_fill(kept, -1)
    order = others.argsort(dim=-1, descending=True, stable=True)
    ranked = others.gather(-1, order).clamp(min=0)
    always = (shares * kept).sum(-1, keepdim=True)
    before = always + ranked.cumsum(-1) - ranked
    return kept | torch.zeros_like(kept).scatter(-1, order, before < threshold * shares.sum(-1, keepdim=True))
