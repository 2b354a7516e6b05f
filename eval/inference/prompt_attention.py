"""The attention of a cell, as an implementation that transformers calls: sparse over a prompt, dense while answering.

in : query [1, heads, n, d] and keys of the whole prompt; or one query a row and each row's keys in a list
out: transformers' attention interface: ([rows, n, heads, d], None)
A method chooses blocks, bool [heads, query blocks, key blocks]; a block that is not chosen is not computed.
invariants: where every block is chosen, transformers' own dense attention does the work, so the result is its own to
the bit; a row of a list is computed by itself, so it is what the row gets alone.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from contracts.errors import InputError


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


# chosen(layer, query, key, scaling) -> bool [heads, blocks, blocks]
Chooser = Callable[[int, torch.Tensor, torch.Tensor, float], torch.Tensor]


class PromptAttention:
    """Attention that a model is given; counts the blocks of the prompts it has read."""

    def __init__(self, chooser: Chooser | None = None, block: int = 128) -> None:
        self.chooser = chooser
        self.block = block
        self.computed = self.causal = 0

    def share(self) -> float | None:
        """Share of the causal blocks that was computed since the last call; None where the choice is not made here."""
        share = self.computed / self.causal if self.causal else None
        self.computed = self.causal = 0
        return share

    def __call__(self, module, query, key, value, attention_mask, scaling=None, **options):
        """transformers' attention interface; `key` and `value` are lists where rows of several lengths go on."""
        if isinstance(key, list):
            return rows_attention(module, query, key, value, scaling, options)
        if self.chooser is None or query.shape[2] == 1:
            return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **options)
        if query.shape[2] != key.shape[2] or len(query) != 1:
            raise InputError("sparse attention reads a prompt as one row from its first token")
        chosen = self.chooser(module.layer_idx, query[0], key[0], scaling)
        if self.counted(chosen):
            return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **options)
        output = block_sparse_attention(query[0], key[0], value[0], chosen, block=self.block, scaling=scaling)
        return output.transpose(0, 1)[None], None

    def counted(self, chosen: torch.Tensor) -> bool:
        """Whether every causal block is chosen; both numbers go into the share."""
        heads, count, _ = chosen.shape
        computed, causal = int(chosen.sum()), heads * count * (count + 1) // 2
        self.computed += computed
        self.causal += causal
        return computed == causal


def rows_attention(module, query, keys: list, values: list, scaling, options):
    """Row by row; rows beyond the lists are filling and get zeros."""
    alone = [
        sdpa_attention_forward(module, query[row, None], key, value, None, scaling=scaling, **options)[0]
        for row, (key, value) in enumerate(zip(keys, values, strict=True))
    ]
    missing = len(query) - len(alone)
    if missing:
        alone.append(torch.zeros_like(alone[0]).expand(missing, -1, -1, -1))
    return torch.cat(alone), None


def takes_prompt_attention(model: PreTrainedModel) -> bool:
    """Whether all layers of a model attend to everything before, through transformers' attention interface."""
    config = model.config
    sliding = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    offered = getattr(model, "_supports_attention_backend", False) and getattr(model, "_supports_sdpa", False)
    return bool(offered) and not sliding and kinds == {"full_attention"}


def give_attention(model: PreTrainedModel, name: str, attention: PromptAttention) -> None:
    """Let `model` compute with `attention`, known to transformers as `name`."""
    AttentionInterface.register(name, attention)
    model.set_attn_implementation(name)
