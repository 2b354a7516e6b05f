"""The attention of a cell, as an implementation that transformers calls: sparse over a prompt, dense while answering.

in : query [1, heads, n, d] and keys of the whole prompt; or one query a row and each row's keys in a list
out: transformers' attention interface: ([rows, n, heads, d], None)
invariants: where every block is chosen, transformers' own dense attention does the work, so the result is its own to
the bit; a row of a list is computed by itself, so it is what the row gets alone.
"""

from collections.abc import Callable

import torch
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from contracts.errors import InputError
from eval.inference.block_attention import block_sparse_attention

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
