"""Causal attention over a choice of blocks; a block that is not chosen is not computed.

in : query [heads, n, d], key [groups, n, d], value [groups, n, e]; chosen bool [heads, query blocks, key blocks]
out: [heads, n, e], softmax over the chosen keys only
invariant: with every causal block chosen the result is causal attention, up to the order of its sums.
"""

import torch
import torch.nn.functional as F


def count_blocks(tokens: int, block: int) -> int:
    """Blocks that `tokens` tokens fill, the last one perhaps in part."""
    return -(-tokens // block)


def causal_blocks(tokens: int, block: int, device: torch.device) -> torch.Tensor:
    """Bool [blocks, blocks]: the key block holds a key that the query block may see."""
    count = count_blocks(tokens, block)
    return torch.ones(count, count, dtype=torch.bool, device=device).tril()


def block_sparse_attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, chosen: torch.Tensor, *, block: int, scaling: float
) -> torch.Tensor:
    """Attention of every head over its chosen blocks; each query block must have its own key block chosen."""
    heads, tokens, _ = query.shape
    group_size = heads // key.shape[0]
    output = query.new_empty(heads, tokens, value.shape[-1])
    for head in range(heads):
        keys, values = key[head // group_size], value[head // group_size]
        for row in range(count_blocks(tokens, block)):
            columns = chosen[head, row, : row + 1].nonzero().flatten().tolist()
            first, end = row * block, min((row + 1) * block, tokens)
            output[head, first:end] = attend(
                query[head, first:end], gather(keys, columns, block), gather(values, columns, block), scaling
            )
    return output


def gather(states: torch.Tensor, columns: list[int], block: int) -> torch.Tensor:
    """The tokens of the blocks `columns`, ascending: [tokens kept, d]; neighbours are taken as one slice."""
    slices, start = [], 0
    for index, column in enumerate(columns):
        if index + 1 == len(columns) or columns[index + 1] != column + 1:
            slices.append(states[columns[start] * block : (column + 1) * block])
            start = index + 1
    return slices[0] if len(slices) == 1 else torch.cat(slices)


def attend(query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scaling: float) -> torch.Tensor:
    """[q, d]: the last q keys are the queries' own tokens, so the mask is causal at the lower right."""
    size = len(query)
    mask = torch.ones(size, len(keys), dtype=torch.bool, device=query.device).tril(len(keys) - size)
    return F.scaled_dot_product_attention(query[None], keys[None], values[None], attn_mask=mask, scale=scaling)[0]
