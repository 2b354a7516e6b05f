"""Fixtures of the trainer's tests: one process with its own groups, and a tiny model on it."""

import pytest
import torch

from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.device import megatron_calls
from megatron_cdt.engine.model import LanguageModel, build_model
from megatron_cdt.engine.parallel import Layout, start_processes


@pytest.fixture
def groups():
    """The process groups of a world of one."""
    return start_processes(Layout())


@pytest.fixture
def tiny_architecture() -> Architecture:
    """Two GQA layers over 97 tokens: nothing is a power of two by accident."""
    return Architecture(
        vocab_size=97,
        hidden_size=32,
        num_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        ffn_hidden_size=48,
        max_position_embeddings=128,
    )


@pytest.fixture
def tiny_model(groups, tiny_architecture) -> LanguageModel:
    """A model whose weights are large enough for attention and gradients to matter."""
    model = build_model(tiny_architecture, groups)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator) * 0.2
            parameter.copy_(1 + noise if "norm" in name else noise)
    return model


@pytest.fixture
def on_this_device():
    """The context in which megatron-core code runs on a machine without a GPU."""
    with megatron_calls():
        yield
