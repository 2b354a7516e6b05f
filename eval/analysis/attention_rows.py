"""Rows of every layer's attention, some queries at a time, while the model computes: no [N, N] matrix ever exists.

in : a model whose layers attend to all tokens before, or to a sliding window of them; what to do with a layer's states
out: what the model gives by itself; the attention that it computes with is torch's scaled-dot-product attention
A sliding window is computed in blocks of queries with the keys that they see, so that its mask stays small too.
Shapes: H heads, G groups of heads that share keys and values, N tokens, R rows (queries), K keys, D width of a head.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_layers import GradientCheckpointingLayer

from contracts.errors import InputError

ATTENTION_NAME = "analysed_attention"
KINDS = {"full_attention", "sliding_attention"}
# Config keys of attention that is more than a softmax of scaled products.
CHANGES = ("attn_logit_softcapping", "attention_chunk_size")
# Queries of a sliding window that are computed at once.
WINDOW_BLOCK = 1024


@dataclass(frozen=True)
class LayerStates:
    """What a layer's attention reads; `window`: how many tokens a query sees, itself included (None: all before it)."""

    layer: int
    query_HND: torch.Tensor
    key_GND: torch.Tensor
    value_GND: torch.Tensor
    scaling: float
    window: int | None


# What is done with a layer's states; and in a backward pass with them and the gradient of its output, [N, H, D]
SeesLayer = Callable[[LayerStates], None]
SeesGradient = Callable[[LayerStates, torch.Tensor], None]


def visible_keys(states: LayerStates, rows_R: torch.Tensor) -> slice:
    """The keys that at least one of these queries, ascending, may see."""
    first = 0 if states.window is None else max(0, int(rows_R[0]) - states.window + 1)
    return slice(first, int(rows_R[-1]) + 1)


def attention_rows(states: LayerStates, rows_R: torch.Tensor) -> torch.Tensor:
    """A of these queries over their visible keys, fp32 or fp64 [H, R, K]: softmax(Q K^T * scaling) under the mask."""
    keys = visible_keys(states, rows_R)
    logits_HRK = by_group(states.query_HND[:, rows_R], states.key_GND[:, keys]) * states.scaling
    positions_K = torch.arange(keys.start, keys.stop, device=rows_R.device)
    return logits_HRK.masked_fill(~visible(rows_R, positions_K, states.window), float("-inf")).softmax(-1)


def attention_gradient(states: LayerStates, rows_R: torch.Tensor, gradient_RHD: torch.Tensor) -> torch.Tensor:
    """dL/dA of these queries over their visible keys [H, R, K]: O = A V, so it is dL/dO V^T."""
    return by_group(gradient_RHD.transpose(0, 1), states.value_GND[:, visible_keys(states, rows_R)])


def by_group(left_HRD: torch.Tensor, right_GKD: torch.Tensor) -> torch.Tensor:
    """left right^T of every head with its group's states, in fp32 at least: [H, R, K]; nothing is repeated."""
    heads, rows, width = left_HRD.shape
    groups, keys, _ = right_GKD.shape
    dtype = torch.promote_types(left_HRD.dtype, torch.float32)
    left = left_HRD.to(dtype).reshape(groups, heads // groups * rows, width)
    return (left @ right_GKD.to(dtype).transpose(1, 2)).view(heads, rows, keys)


def visible(rows_R: torch.Tensor, positions_K: torch.Tensor, window: int | None) -> torch.Tensor:
    """Bool [R, K]: the query may see the key."""
    behind_RK = rows_R[:, None] - positions_K
    return (behind_RK >= 0) if window is None else (behind_RK >= 0) & (behind_RK < window)


class GradientSeen(torch.autograd.Function):
    """The attention's output as it is; in the backward pass its gradient is shown together with the layer's states."""

    @staticmethod
    def forward(ctx, output, query, key, value, see):
        ctx.see = see
        ctx.save_for_backward(query, key, value)
        return output.view_as(output)

    @staticmethod
    def backward(ctx, gradient):
        ctx.see(*ctx.saved_tensors, gradient)
        return gradient, None, None, None, None


class SeenAttention:
    """transformers' attention interface for one row of tokens; shows what passes through it."""

    def __init__(self, sees_layer: SeesLayer | None, sees_gradient: SeesGradient | None) -> None:
        self.sees_layer = sees_layer
        self.sees_gradient = sees_gradient

    def __call__(self, module, query, key, value, attention_mask, scaling=None, sliding_window=None, **options):
        """([1, n, heads, d], None)."""
        scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
        window = sliding_window if sliding_window and sliding_window < query.shape[2] else None
        if window:
            output = windowed_attention(query, key, value, scaling, window)
        else:
            output = sdpa_attention_forward(module, query, key, value, None, scaling=scaling, **options)[0]

        def states_of(query, key, value):
            return LayerStates(module.layer_idx, query[0].detach(), key[0].detach(), value[0].detach(), scaling, window)

        if self.sees_layer:
            self.sees_layer(states_of(query, key, value))
        if self.sees_gradient and output.requires_grad:

            def see(query, key, value, gradient):
                self.sees_gradient(states_of(query, key, value), gradient[0])

            output = GradientSeen.apply(output, query, key, value, see)
        return output, None


def windowed_attention(query, key, value, scaling: float, window: int) -> torch.Tensor:
    """Causal attention to the last `window` tokens: [1, n, heads, d]."""
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    outputs = []
    for rows_R in torch.arange(query.shape[2], device=query.device).split(WINDOW_BLOCK):
        keys = slice(max(0, int(rows_R[0]) - window + 1), int(rows_R[-1]) + 1)
        mask = visible(rows_R, torch.arange(keys.start, keys.stop, device=query.device), window)
        states = query[:, :, rows_R[0] : rows_R[-1] + 1], key[:, :, keys], value[:, :, keys]
        outputs.append(F.scaled_dot_product_attention(*states, attn_mask=mask, scale=scaling))
    return torch.cat(outputs, dim=2).transpose(1, 2)


@contextmanager
def seen_attention(
    model: PreTrainedModel, *, layer: SeesLayer | None = None, gradient: SeesGradient | None = None
) -> Iterator[None]:
    """Within it `model` shows its layers' states and their outputs' gradients; InputError for other attention."""
    refuse_other_attention(model)
    before = model.config._attn_implementation
    AttentionInterface.register(ATTENTION_NAME, SeenAttention(layer, gradient))
    model.set_attn_implementation(ATTENTION_NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def refuse_other_attention(model: PreTrainedModel) -> None:
    """InputError unless every layer is a softmax over all tokens before, or over a sliding window of them."""
    config = model.config
    offered = getattr(model, "_supports_attention_backend", False) and getattr(model, "_supports_sdpa", False)
    changed = [key for key in CHANGES if getattr(config, key, None)]
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if not offered or changed or not kinds <= KINDS:
        what = ", ".join(changed or sorted(kinds - KINDS)) or "an attention of its own"
        raise InputError(f"the model's layers have {what}; leave out the instruments that read its attention")


@contextmanager
def recomputed_layers(model: PreTrainedModel, wanted: bool) -> Iterator[None]:
    """Within it layers are computed again in the backward pass: memory for one layer, a third more operations."""
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)] if wanted else []
    if layers:
        model.activation_checkpointing_enable({"use_reentrant": False})
    # transformers recomputes layers that train; their dropouts, which stay in eval, do not.
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        for layer in layers:
            layer.training = False
        if layers:
            model.activation_checkpointing_disable()


def layers_and_heads(model: PreTrainedModel) -> tuple[int, int]:
    """(layers, heads of each)."""
    config = model.config.get_text_config()
    return config.num_hidden_layers, config.num_attention_heads
