"""Which Hugging Face tensors make up each Megatron parameter, and where they lie in it.

in : a Megatron parameter's name                out: a Parameter (names, views, the axis that tensor parallelism cuts)
Invariant: the views of a parameter cover it once, whole or on each rank alike: Megatron cuts every tensor of a
parameter along the same axis into equal parts, then lays out the parts. Nothing here copies a tensor.

# H hidden, D head size, G key/value heads (query groups), M query heads per group, F MLP width; local sizes
"""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.lora import LoraSettings
from megatron_cdt.engine.lora.adapters import LINEARS

ROWS, COLUMNS = 0, 1
LAYER = re.compile(r"decoder\.layers\.(\d+)\.(.+)")


@dataclass(frozen=True)
class Parameter:
    """How one Megatron parameter is made of Hugging Face tensors.

    views(parameter, head size, queries per group) has one view [blocks, rows of a block, ...] of the parameter for
    each name; that Hugging Face tensor is its view with the two first dimensions as one: view.flatten(0, 1).
    """

    names: tuple[str, ...]
    axis: int | None  # that tensor parallelism cuts; None: every rank holds the whole tensor
    views: Callable[[Tensor, int, int], list[Tensor]]


def whole(parameter: Tensor, _head_dim: int, _queries_per_group: int) -> list[Tensor]:
    """One tensor: the parameter itself."""
    return [parameter.unsqueeze(0)]


def query_key_value(parameter: Tensor, head_dim: int, queries_per_group: int) -> list[Tensor]:
    """q [G, M*D, ...], k [G, D, ...], v [G, D, ...] of [G*(M+2)*D, ...]: one group after the other."""
    by_group = parameter.unflatten(0, (-1, (queries_per_group + 2) * head_dim))
    return list(by_group.split([queries_per_group * head_dim, head_dim, head_dim], dim=1))


def gate_up(parameter: Tensor, _head_dim: int, _queries_per_group: int) -> list[Tensor]:
    """gate [1, F, ...] and up [1, F, ...] of [2F, ...]."""
    return [half.unsqueeze(0) for half in parameter.chunk(2)]


def single(name: str, axis: int | None) -> Parameter:
    """A parameter that is one Hugging Face tensor."""
    return Parameter((name,), axis, whole)


OUTSIDE_LAYERS = {
    "embedding.word_embeddings.weight": single("model.embed_tokens.weight", ROWS),
    "decoder.final_layernorm.weight": single("model.norm.weight", None),
    "output_layer.weight": single("lm_head.weight", ROWS),
}
IN_A_LAYER = {
    "input_layernorm.weight": single("input_layernorm.weight", None),
    "pre_mlp_layernorm.weight": single("post_attention_layernorm.weight", None),
    "self_attention.linear_qkv.weight": Parameter(
        ("self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"), ROWS, query_key_value
    ),
    "self_attention.linear_qkv.bias": Parameter(
        ("self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias"), ROWS, query_key_value
    ),
    "self_attention.q_layernorm.weight": single("self_attn.q_norm.weight", None),
    "self_attention.k_layernorm.weight": single("self_attn.k_norm.weight", None),
    "self_attention.linear_proj.weight": single("self_attn.o_proj.weight", COLUMNS),
    "mlp.linear_fc1.weight": Parameter(("mlp.gate_proj.weight", "mlp.up_proj.weight"), ROWS, gate_up),
    "mlp.linear_fc2.weight": single("mlp.down_proj.weight", COLUMNS),
    "self_attention.linear_proj.bias": single("self_attn.o_proj.bias", None),
    "mlp.linear_fc1.bias": Parameter(("mlp.gate_proj.bias", "mlp.up_proj.bias"), ROWS, gate_up),
    "mlp.linear_fc2.bias": single("mlp.down_proj.bias", None),
}


def adapter_parameters() -> dict[str, Parameter]:
    """The A and B of a layer's matrices, by PEFT's names: cut with W, B along its rows or A along its columns."""
    parents = {"self_attention": "self_attn", "mlp": "mlp"}
    found = {}
    for linear in LINEARS:
        axes = {"A": None, "B": ROWS} if linear.column_parallel else {"A": COLUMNS, "B": None}
        for matrix, (letter, axis) in itertools.product(linear.matrices, axes.items()):
            name = f"{parents[linear.parent]}.{matrix}.lora_{letter}.weight"
            found[f"{linear.parent}.{linear.adapter}.{letter}.{matrix}"] = single(name, axis)
    return found


IN_A_LAYER |= adapter_parameters()


def parameter_of(megatron_name: str, first_layer: int = 0, *, tied: bool = False) -> Parameter:
    """The Hugging Face side of a Megatron parameter; KeyError for a name that none of our families has.

    first_layer: what Megatron counts as layer 0, on a stage of a pipeline. tied: the last stage's output matrix is
    its own copy of the embedding.
    """
    is_copy = tied and megatron_name == "output_layer.weight"
    if match := LAYER.fullmatch(megatron_name):
        layer, rest = first_layer + int(match[1]), match[2]
        inner = IN_A_LAYER[rest]
        return replace(inner, names=tuple(f"model.layers.{layer}.{name}" for name in inner.names))
    return OUTSIDE_LAYERS["embedding.word_embeddings.weight" if is_copy else megatron_name]


def tensor_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Every tensor of the Hugging Face model in the order of its layers, with its shape."""
    vocabulary = (architecture.vocab_size, architecture.hidden_size)
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": vocabulary}
    of_a_layer = layer_shapes(architecture)
    for layer in range(architecture.num_layers):
        shapes |= {f"model.layers.{layer}.{name}": shape for name, shape in of_a_layer.items()}
    shapes["model.norm.weight"] = (architecture.hidden_size,)
    if not architecture.tie_word_embeddings:
        shapes["lm_head.weight"] = vocabulary
    return shapes


def layer_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Every tensor of one layer, with its shape."""
    hidden, ffn, head_dim = architecture.hidden_size, architecture.ffn_hidden_size, architecture.head_dim
    queries = architecture.num_attention_heads * head_dim
    keys = architecture.num_key_value_heads * head_dim
    shapes = {
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
    if architecture.qkv_bias:
        sizes = {"q": queries, "k": keys, "v": keys}
        shapes |= {f"self_attn.{name}_proj.bias": (size,) for name, size in sizes.items()}
    if architecture.attention_bias:
        shapes["self_attn.o_proj.bias"] = (hidden,)
    if architecture.mlp_bias:
        sizes = {"gate": ffn, "up": ffn, "down": hidden}
        shapes |= {f"mlp.{name}_proj.bias": (size,) for name, size in sizes.items()}
    if architecture.qk_norm:
        shapes |= {"self_attn.q_norm.weight": (head_dim,), "self_attn.k_norm.weight": (head_dim,)}
    return shapes


def adapter_shapes(architecture: Architecture, lora: LoraSettings) -> dict[str, tuple[int, ...]]:
    """Every A [rank, inputs] and B [outputs, rank] of the model's matrices, with its shape."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (outputs, inputs) in adapted_matrices(architecture, lora).items():
        matrix = name.removesuffix(".weight")
        shapes |= {f"{matrix}.lora_A.weight": (lora.rank, inputs), f"{matrix}.lora_B.weight": (outputs, lora.rank)}
    return shapes


def adapted_matrices(architecture: Architecture, lora: LoraSettings) -> dict[str, tuple[int, int]]:
    """The model's matrices that have an update, with their shapes."""
    return {
        name: shape
        for name, shape in tensor_shapes(architecture).items()
        if name.endswith(tuple(f".{target}.weight" for target in lora.targets))
    }


def matrix_of(adapter_name: str) -> str:
    """The Hugging Face matrix that an A or a B belongs to."""
    return re.sub(r"\.lora_[AB]\.", ".", adapter_name)


def whole_trained_shapes(architecture: Architecture, lora: LoraSettings) -> dict[str, tuple[int, ...]]:
    """The tensors that LoRA trains whole: the embedding, the norms, or none."""
    return {
        name: shape
        for name, shape in tensor_shapes(architecture).items()
        if (lora.train_embeddings and name == "model.embed_tokens.weight")
        or (lora.train_norms and name.endswith("norm.weight"))
    }
