"""Followed allocations, kept activations and the loss's peak, on cases whose bytes one can write down."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from benches.train.activations import detection_bytes, saved_bytes, training_bytes
from benches.train.allocations import PeakAllocation
from benches.train.cases import RowShape, build_bench_model, build_row, scaled_llama
from benches.train.loss_memory import chunked_peak, gradient_bytes, whole_peak
from megatron_cdt.engine.model import ModelOptions
from megatron_cdt.objectives import cross_entropy

pytestmark = pytest.mark.usefixtures("on_this_device")


def test_the_peak_is_what_lives_at_one_time():
    older = torch.zeros(256)
    with PeakAllocation() as memory:
        first = older + 1
        second = first * 2
        del first
        view = second.view(16, 16)
        older.add_(view.flatten())
        third = torch.zeros(256)
        del second, third
        assert memory.now == 256 * 4, "a view keeps its storage alive"
    assert memory.peak == 2 * 256 * 4


def test_what_backward_makes_is_followed_too():
    weight = torch.zeros(64, 64, requires_grad=True)
    with PeakAllocation() as memory:
        (torch.ones(64, 64) @ weight).sum().backward()
    assert memory.now == 64 * 64 * 4, "the gradient stays"
    assert memory.peak >= 2 * 64 * 64 * 4, "beside what it is made from"


def test_fake_tensors_are_followed_like_real_ones():
    peaks = []
    for fake in (False, True):
        with FakeTensorMode() if fake else PeakAllocation(), PeakAllocation() as memory:
            values = torch.ones(32, 32)
            (values @ values).exp().sum()
        peaks.append(memory.peak)
    assert peaks[0] == peaks[1]


def test_kept_storages_count_once_and_parameters_not_at_all():
    linear = torch.nn.Linear(8, 4, bias=False)
    values = torch.randn(5, 8)
    # The product keeps its input (and the weight); the square keeps the product; the views of it add nothing.
    assert (
        saved_bytes(linear, lambda: (linear(values)[:, :2] ** 2 + linear(values)[:, 2:]).sum()) == (5 * 8 + 5 * 4) * 4
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_detection_keeps_at_most_six_tenths_of_training(groups, dtype):
    architecture = scaled_llama(hidden=256, layers=2, vocabulary=64)
    model = build_bench_model(architecture, groups, ModelOptions(dtype=dtype, fp32_residual=dtype is torch.bfloat16))
    row = build_row(RowShape("", (32,)), 64, groups)
    assert 0 < detection_bytes(model, row, groups) <= 0.6 * training_bytes(model, row, groups)


def test_the_loss_holds_one_chunk_however_long_the_row(groups, monkeypatch):
    vocabulary, hidden, tokens_of_chunk = 4096, 8, 32
    monkeypatch.setattr(cross_entropy, "LOGITS_PER_CHUNK", vocabulary * tokens_of_chunk)
    chunk = 4 * vocabulary * tokens_of_chunk
    for tokens in (64, 512):
        rest = chunked_peak(tokens, vocabulary, hidden, groups.tp) - gradient_bytes(tokens, vocabulary, hidden)
        assert 0.9 * chunk < rest < 1.1 * chunk
        assert whole_peak(tokens, vocabulary, hidden) > 3 * 4 * vocabulary * tokens
