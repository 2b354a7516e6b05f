"""Which Hugging Face tensors make up each Megatron parameter, and how they are laid out in it.

in : a Megatron parameter's name                out: a Parameter (names, layout, the axis that tensor parallelism cuts)
Invariant: split(join(tensors)) == tensors bit for bit, on whole tensors and on each rank's slices alike: Megatron
cuts every tensor of a parameter along the same axis into equal parts, then lays out the parts.

# H hidden, D head size, G key/value heads (query groups), M query heads per group, F MLP width; local sizes
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from megatron_cdt.architecture import Architecture

ROWS, COLUMNS = 0, 1
LAYER = re.compile(r"decoder\.layers\.(\d+)\.(.+)")


@dataclass(frozen=True)
class Parameter:
    """How one Megatron parameter is made of Hugging Face tensors."""

    names: tuple[str, ...]
    axis: int | None  # that tensor parallelism cuts; None: every rank holds the whole tensor
    join: Callable[[Sequence[Tensor], int], Tensor]
    split: Callable[[Tensor, int, int], list[Tensor]]


def join_one(tensors: Sequence[Tensor], _head_dim: int) -> Tensor:
    return tensors[0]


def split_one(parameter: Tensor, _head_dim: int, _queries_per_group: int) -> list[Tensor]:
    return [parameter]


def join_qkv(tensors: Sequence[Tensor], head_dim: int) -> Tensor:
    """q [G*M*D, H], k [G*D, H], v [G*D, H] -> [G*(M+2)*D, H], one group after the other."""
    groups = tensors[1].shape[0] // head_dim
    by_group = [tensor.unflatten(0, (groups, -1)) for tensor in tensors]
    return torch.cat(by_group, dim=1).flatten(0, 1)


def split_qkv(parameter: Tensor, head_dim: int, queries_per_group: int) -> list[Tensor]:
    """The inverse of join_qkv."""
    by_group = parameter.unflatten(0, (-1, (queries_per_group + 2) * head_dim))
    sizes = [queries_per_group * head_dim, head_dim, head_dim]
    return [part.flatten(0, 1) for part in by_group.split(sizes, dim=1)]


def join_gate_up(tensors: Sequence[Tensor], _head_dim: int) -> Tensor:
    """gate [F, H], up [F, H] -> [2F, H]."""
    return torch.cat(list(tensors))


def split_gate_up(parameter: Tensor, _head_dim: int, _queries_per_group: int) -> list[Tensor]:
    """The inverse of join_gate_up."""
    return list(parameter.chunk(2))


def single(name: str, axis: int | None) -> Parameter:
    """A parameter that is one Hugging Face tensor."""
    return Parameter((name,), axis, join_one, split_one)


OUTSIDE_LAYERS = {
    "embedding.word_embeddings.weight": single("model.embed_tokens.weight", ROWS),
    "decoder.final_layernorm.weight": single("model.norm.weight", None),
    "output_layer.weight": single("lm_head.weight", ROWS),
}
INPUT_NORM = single("input_layernorm.weight", None)
MLP_NORM = single("post_attention_layernorm.weight", None)
IN_A_LAYER = {
    # TransformerEngine's layers keep each norm inside the linear layer that follows it.
    "input_layernorm.weight": INPUT_NORM,
    "self_attention.linear_qkv.layer_norm_weight": INPUT_NORM,
    "pre_mlp_layernorm.weight": MLP_NORM,
    "mlp.linear_fc1.layer_norm_weight": MLP_NORM,
    "self_attention.linear_qkv.weight": Parameter(
        ("self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"), ROWS, join_qkv, split_qkv
    ),
    "self_attention.linear_proj.weight": single("self_attn.o_proj.weight", COLUMNS),
    "mlp.linear_fc1.weight": Parameter(
        ("mlp.gate_proj.weight", "mlp.up_proj.weight"), ROWS, join_gate_up, split_gate_up
    ),
    "mlp.linear_fc2.weight": single("mlp.down_proj.weight", COLUMNS),
}


def parameter_of(megatron_name: str) -> Parameter:
    """The Hugging Face side of a Megatron parameter; KeyError for a name that no Llama has."""
    if match := LAYER.fullmatch(megatron_name):
        layer, rest = match.groups()
        inner = IN_A_LAYER[rest]
        return Parameter(
            tuple(f"model.layers.{layer}.{name}" for name in inner.names), inner.axis, inner.join, inner.split
        )
    return OUTSIDE_LAYERS[megatron_name]


def tensor_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Every tensor of the Hugging Face model in the order of its layers, with its shape."""
    hidden, ffn = architecture.hidden_size, architecture.ffn_hidden_size
    queries = architecture.num_attention_heads * architecture.head_dim
    keys = architecture.num_key_value_heads * architecture.head_dim
    in_a_layer = {
        "input_layernorm.weight": (hidden,),
        "self_attn.q_proj.weight": (queries, hidden),
        "self_attn.k_proj.weight": (keys, hidden),
        "self_attn.v_proj.weight": (keys, hidden),
        "self_attn.o_proj.weight": (hidden, queries),
        "post_attention_layernorm.weight": (hidden,),
        "mlp.gate_proj.weight": (ffn, hidden),
        "mlp.up_proj.weight": (ffn, hidden),
        "mlp.down_proj.weight": (hidden, ffn),
    }
    shapes = {"model.embed_tokens.weight": (architecture.vocab_size, hidden)}
    for layer in range(architecture.num_layers):
        shapes |= {f"model.layers.{layer}.{name}": shape for name, shape in in_a_layer.items()}
    shapes["model.norm.weight"] = (hidden,)
    if not architecture.tie_word_embeddings:
        shapes["lm_head.weight"] = (architecture.vocab_size, hidden)
    return shapes
