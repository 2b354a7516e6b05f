"""Tiny random models of transformers, and the two ways of scoring a row that the tests compare."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from megatron_cdt.engine.device import device, megatron_calls
from megatron_cdt.engine.model import build_model, packed_row
from megatron_cdt.huggingface.config import read_architecture
from megatron_cdt.huggingface.weights import load_weights

VOCAB = 96
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
CLASSES = {
    "llama": (LlamaConfig, LlamaForCausalLM, {}),
    "mistral": (MistralConfig, MistralForCausalLM, {"sliding_window": None, "bos_token_id": None}),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM, {}),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM, {"head_dim": 14}),
}


def random_model(
    folder: Path, family: str = "llama", *, dtype=torch.float32, file_size: str = "1GB", **changes
) -> PreTrainedModel:
    """A GQA model with every weight random (norms and biases too), saved in `folder` by transformers."""
    config_class, model_class, of_the_family = CLASSES[family]
    values = {
        "vocab_size": VOCAB,
        "hidden_size": 48,
        "intermediate_size": 80,
        "num_hidden_layers": 2,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        # Attention must be far from uniform, or wrong positions would go unseen.
        "initializer_range": 0.2,
    }
    model = model_class(config_class(**values | of_the_family | changes)).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator) * 0.2
            weight.copy_(1 + noise if "norm" in name else noise)
    model = model.to(dtype)
    model.save_pretrained(folder, max_shard_size=file_size)
    return model


def random_llama(folder: Path, **changes) -> PreTrainedModel:
    """The same, as a Llama."""
    return random_model(folder, "llama", **changes)


def random_row(length: int) -> Tensor:
    """Token ids, int64 [length]."""
    return torch.randint(0, VOCAB, (length,), generator=torch.Generator().manual_seed(length))


@torch.no_grad()
def transformers_logits(model: PreTrainedModel, ids: Tensor, lengths: Sequence[int]) -> Tensor:
    """Logits [n, V] of each segment scored alone."""
    return torch.cat([model(segment[None]).logits[0] for segment in ids.split(list(lengths))])


@torch.no_grad()
def our_logits(folder: Path, groups, ids: Tensor, lengths: Sequence[int]) -> Tensor:
    """Logits of this process's tokens and vocabulary rows, [T, V/tp], for local `ids` of a row of segments."""
    model = build_model(read_architecture(folder), groups)
    load_weights(model, folder, groups)
    with megatron_calls():
        hidden = model.hidden_states(model.embed(ids.to(device())), packed_row(lengths, groups))
        return (hidden.squeeze(1) @ model.head_weight().T).cpu()
