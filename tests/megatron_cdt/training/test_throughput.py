"""The operations that a row is said to ask for, against those that torch counts while a real step runs."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from megatron_cdt.engine.lora.adapters import add_adapters
from megatron_cdt.engine.model import build_model
from megatron_cdt.objectives.registry import build_objective, objective_class
from megatron_cdt.objectives.row import WholeRow, cut_row, next_tokens
from megatron_cdt.objectives.work import forward_work
from megatron_cdt.training.measured_speed import LLAMA_3_8B
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.throughput import PEAK_TFLOPS, peak_of, row_flops, utilization

METHODS = ["ce", "sft", "cdt", "longce", "logo", "focused"]
KERNEL = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
KERNEL_BACKWARD = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def labelled_row(lengths: list[int], *, answers: int) -> WholeRow:
    """Segments without padding, the last `answers` tokens of each to be predicted."""
    places = np.concatenate([np.arange(length) for length in lengths])
    ends = np.repeat(lengths, lengths)
    targets = (places >= ends - 1 - answers) & (places < ends - 1)
    ids = np.arange(sum(lengths)) % 97
    return WholeRow(ids, next_tokens(ids, targets), np.ones(len(ids), bool), lengths, answers_only=True)


def counted(model, row: WholeRow, settings: TrainSettings, groups) -> tuple[int, float]:
    """Operations of matrices and of attention in a step that runs; a causal square counts half, backward twice."""
    mapping = {
        KERNEL: lambda query, key, value, *_, **__: sdpa_flop_count(query, key, value) // 2,
        # The counter knows addmm, not addmm_.
        torch.ops.aten.addmm_: lambda _, left, right, **__: 2 * left[0] * left[1] * right[1],
        KERNEL_BACKWARD: lambda _, query, key, value, *__, **___: sdpa_flop_count(query, key, value),
    }
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        objective = build_objective(settings, groups).at_rates(1e-3, 1e-3)
        for loss, _ in objective.losses(model, [cut_row(row, groups)]):
            loss.backward()
    attention = sum(counter.get_flop_counts()["Global"].get(kernel, 0) for kernel in (KERNEL, KERNEL_BACKWARD))
    return counter.get_total_flops() - attention, attention


@pytest.mark.parametrize("method", METHODS)
def test_a_row_asks_for_what_torch_counts_under_every_method(tiny_model, tiny_architecture, groups, method):
    settings = TrainSettings(
        steps=1, global_batch_rows=1, learning_rate=1e-3, method=method, longce={"context": 16, "stride": 8}
    )
    # LOGO's answers come in threes, focused's samples in pairs.
    row = labelled_row([40, 24] if method == "focused" else [40, 24, 32], answers=12)
    # The similarity of the one pair, forward, backward to both states and for the telemetry, is no work of the model.
    similarity = 4 * 2 * tiny_architecture.hidden_size if method == "focused" else 0
    assert objective_class(method).row_flops(tiny_architecture, row, settings.section) + similarity == sum(
        counted(tiny_model, row, settings, groups)
    )


@pytest.mark.parametrize(("method", "head_learns"), [("ce", False), ("ce", True), ("cdt", False)])
def test_with_lora_a_row_asks_for_no_gradient_of_a_frozen_matrix(tiny_architecture, groups, method, head_learns):
    # Each of these matrices is a linear of its own: of a fused one the blocks of zeros in B would be counted too.
    lora = {"rank": 3, "targets": ["o_proj", "down_proj"], "train_embeddings": head_learns}
    settings = TrainSettings(
        steps=1, global_batch_rows=1, learning_rate=1e-3, method=method, lora=lora, cdt={"detect_through": "base"}
    )
    shape = tiny_architecture.model_copy(update={"tie_word_embeddings": head_learns})
    model = build_model(shape, groups)
    add_adapters(model, settings.lora, groups)
    row = labelled_row([40, 24, 32], answers=12)
    assert row_flops(shape, row, settings) == sum(counted(model, row, settings, groups))


def test_padding_and_the_split_into_segments_are_counted_as_they_are(tiny_architecture):
    whole = forward_work(tiny_architecture, [64], labels=8)
    halves = forward_work(tiny_architecture, [32, 32], labels=8)
    assert (halves.linear, halves.head, halves.attention * 2) == (whole.linear, whole.head, whole.attention)
    row = labelled_row([40, 24], answers=4)
    padded = WholeRow(row.input_ids_N, row.labels_N, np.arange(64) < 40, [40, 24])
    settings = TrainSettings(steps=1, global_batch_rows=1, learning_rate=1e-3)
    expected = forward_work(tiny_architecture, [40, 0], labels=8).training
    assert objective_class("ce").row_flops(tiny_architecture, padded, settings.section) == expected


def test_an_8b_model_costs_about_six_operations_a_weight_and_token():
    work = forward_work(LLAMA_3_8B, [8192], labels=8192)
    weights = 8_030_261_248 - 128256 * 4096
    assert 3 * (work.linear + work.head) == pytest.approx(6 * weights * 8192, rel=1e-4)
    # Megatron's count of causal attention: 6 L S H a token, forward and backward.
    assert 3 * work.attention == pytest.approx(6 * 32 * 8192 * 4096 * 8192, rel=1e-9)


def test_the_peak_is_the_listed_devices_and_unknown_elsewhere():
    assert peak_of("NVIDIA H100 80GB HBM3", "bfloat16") == 989
    assert peak_of("NVIDIA H200", "bfloat16") == 989
    assert peak_of("NVIDIA H100 PCIe", "bfloat16") == 756
    assert peak_of("NVIDIA GH200 480GB", "float32") == 67
    assert peak_of("Some Other Device", "bfloat16") is None
    assert all(peaks["bfloat16"] > peaks.get("float32", 0) for peaks in PEAK_TFLOPS.values())
    assert utilization(494.5, 989) == 0.5
    assert utilization(494.5, None) is None
