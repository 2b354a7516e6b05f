"""The estimate of a process's memory against what really is allocated."""

import numpy as np
import pytest
import torch

from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.lora import TARGETS
from megatron_cdt.engine.lora.adapters import add_adapters
from megatron_cdt.engine.model import ModelOptions, build_model
from megatron_cdt.objectives.row import WholeRow, cut_row, next_tokens
from megatron_cdt.training.measured_speed import LLAMA_3_8B
from megatron_cdt.training.memory import (
    activation_bytes,
    layer_activation_bytes,
    parameters,
    rank_memory,
    trained_parameters,
)
from megatron_cdt.training.settings import TrainSettings

TOKENS = 256


def architecture(**changes: object) -> Architecture:
    return Architecture(
        **{
            "vocab_size": 512,
            "hidden_size": 128,
            "num_layers": 3,
            "num_attention_heads": 8,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "ffn_hidden_size": 384,
            "max_position_embeddings": TOKENS,
        }
        | changes
    )


def settings(**changes: object) -> TrainSettings:
    return TrainSettings(**{"steps": 1, "global_batch_rows": 8, "learning_rate": 1e-3} | changes)


def kept_bytes(model: torch.nn.Module, groups) -> int:
    """What autograd really keeps of one row, weights left out."""
    labelled = np.arange(TOKENS) < TOKENS - 1
    ids = np.arange(TOKENS)
    row = cut_row(WholeRow(ids, next_tokens(ids, labelled), np.ones(TOKENS, bool), [TOKENS]), groups)
    known = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    kept = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        hidden = model.hidden_states(model.embed(row.input_ids_T), row.packing)
    assert hidden.requires_grad
    return sum(each.untyped_storage().nbytes() for pointer, each in kept.items() if pointer not in known)


@pytest.mark.parametrize(("dtype", "method"), [("float32", "ce"), ("bfloat16", "ce"), ("bfloat16", "cdt")])
@pytest.mark.parametrize("recompute", ["none", "selective", "full"])
@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_activations_are_within_a_tenth_of_what_autograd_keeps(groups, family, recompute, dtype, method):
    shape, wanted = architecture(family=family), settings(method=method, dtype=dtype, recompute=recompute)
    model = build_model(
        shape,
        groups,
        ModelOptions(dtype=getattr(torch, dtype), recompute=recompute, fp32_residual=wanted.fp32_residual),
    )
    estimated = activation_bytes(shape, wanted, TOKENS)
    if recompute == "full":
        # One layer's activations exist in the backward pass only.
        estimated -= layer_activation_bytes(shape, wanted) * TOKENS
    if dtype == "bfloat16":
        estimated += normed_on_a_cpu(shape, 1 if recompute == "full" else 2 * shape.num_layers + 1)
    assert estimated == pytest.approx(kept_bytes(model, groups), rel=0.1)


def normed_on_a_cpu(shape: Architecture, norms: int) -> int:
    """What 16-bit norms keep on a CPU alone: the normed input in fp32, of the stream, and of queries and keys."""
    heads = (shape.num_attention_heads + shape.num_key_value_heads) * shape.head_dim * shape.qk_norm
    return (norms * shape.hidden_size + norms // 2 * heads) * TOKENS * 4


@pytest.mark.parametrize(
    ("tokens", "recompute", "mebibytes"),
    [(8192, "none", 57528), (32768, "full", 40059), (65536, "full", 76937), (131072, "full", 124067)],
)
def test_the_estimate_of_an_8b_model_is_near_what_a_gpu_took(tokens, recompute, mebibytes):
    """docs/benchmarks/train-gpu.md, without Adam; gradients fill up while activations go."""
    wanted = settings(method="cdt", dtype="bfloat16", recompute=recompute, global_batch_rows=1)
    memory = rank_memory(LLAMA_3_8B, wanted, tokens)
    estimated = memory.total - memory.gradients - memory.adam
    assert estimated / 2**20 == pytest.approx(mebibytes, rel=0.12)


@pytest.mark.parametrize("recompute", ["none", "full"])
@pytest.mark.parametrize("lora", [{}, {"targets": ["up_proj"], "train_norms": True}, {"targets": TARGETS}], ids=str)
def test_activations_with_lora_are_within_a_tenth_too(groups, lora, recompute):
    shape, wanted = architecture(family="qwen3"), settings(lora=lora, recompute=recompute)
    model = build_model(shape, groups, ModelOptions(recompute=recompute))
    add_adapters(model, wanted.lora, groups)
    estimated = activation_bytes(shape, wanted, TOKENS)
    if recompute == "full":
        estimated -= layer_activation_bytes(shape, wanted) * TOKENS
    assert estimated == pytest.approx(kept_bytes(model, groups), rel=0.1)


def test_lora_of_rank_8_on_an_8b_shape_takes_less_than_half_of_full_trainings_bytes():
    def total(**changes: object) -> int:
        wanted = settings(dtype="bfloat16", recompute="full", global_batch_rows=1, **changes)
        return rank_memory(LLAMA_3_8B, wanted, 8192).total

    assert total(lora={"rank": 8}) < 0.5 * total()
    assert total(lora={"rank": 8}) > 2 * parameters(LLAMA_3_8B)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
@pytest.mark.parametrize(
    "lora", [{}, {"targets": TARGETS, "train_embeddings": True, "train_norms": True}], ids=["attention", "everything"]
)
def test_what_lora_trains_is_counted_as_the_model_has_it(groups, family, lora):
    shape, wanted = architecture(family=family), settings(lora=lora)
    model = build_model(shape, groups)
    add_adapters(model, wanted.lora, groups)
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert trained_parameters(shape, wanted) == trained
    memory = rank_memory(shape, wanted, TOKENS)
    assert (memory.weights, memory.gradients, memory.adam) == (
        4 * sum(weight.numel() for weight in model.parameters()),
        4 * trained,
        8 * trained,
    )
    full = rank_memory(shape, settings(), TOKENS)
    assert memory.loss < full.loss
    if wanted.lora.targets != TARGETS:
        # The inputs of the frozen MLP are not kept.
        assert memory.activations < full.activations
    half = rank_memory(shape, settings(lora=lora, layout={"processes": 2, "tensor": 2}), TOKENS)
    assert trained / 2 < half.gradients / 4 < trained


@pytest.mark.parametrize(
    "changes",
    [
        {"family": "qwen2"},
        {"family": "qwen3"},
        {"tie_word_embeddings": True},
        {"attention_bias": True},
        {"mlp_bias": True},
    ],
)
def test_parameters_are_those_of_the_built_model(groups, changes):
    shape = architecture(**changes)
    assert parameters(shape) == sum(weight.numel() for weight in build_model(shape, groups).parameters())


def test_each_kind_of_parallelism_saves_what_it_cuts():
    def bytes_of(**layout: int):
        return rank_memory(architecture(), settings(layout=layout), TOKENS)

    alone = bytes_of()
    data, context, tensor = (bytes_of(processes=2, **cut) for cut in ({}, {"context": 2}, {"tensor": 2}))
    assert (data.adam, context.adam) == (alone.adam // 2, alone.adam // 2)
    assert data.activations == alone.activations
    assert 0.5 < context.activations / alone.activations < 0.7
    assert 0.5 < tensor.weights / alone.weights < 0.51
    assert tensor.gradients == tensor.weights
    bf16 = rank_memory(architecture(), settings(dtype="bfloat16"), TOKENS)
    assert (bf16.weights * 2, bf16.adam * 2) == (alone.weights, alone.adam * 3)


def test_a_first_stage_holds_as_many_rows_as_there_are_stages_and_cdts_shifts():
    def bytes_of(method: str, rows: int, pipeline: int) -> int:
        layout = {"processes": pipeline, "pipeline": pipeline}
        wanted = settings(method=method, global_batch_rows=rows, layout=layout)
        return rank_memory(architecture(vocab_size=8, num_layers=12), wanted, TOKENS).activations

    one_row = bytes_of("ce", 1, 4)
    assert [bytes_of("ce", rows, 4) / one_row for rows in (2, 4, 8)] == [2, 4, 4]
    # fp32 shift and embedding of every row that is detected together, 16 at most.
    assert bytes_of("cdt", 8, 4) - bytes_of("ce", 8, 4) == 8 * TOKENS * 128 * 8
    assert bytes_of("cdt", 32, 4) - bytes_of("ce", 32, 4) == 16 * TOKENS * 128 * 8
    assert bytes_of("cdt", 8, 1) == bytes_of("ce", 8, 1)
