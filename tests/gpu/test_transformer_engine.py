"""The path through TransformerEngine against the CPU's, and its own invariants, on one GPU."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.lora import TARGETS, LoraSettings
from megatron_cdt.engine.lora.adapters import adapters_of, add_adapters, is_adapter
from megatron_cdt.engine.model import ModelOptions, build_model
from megatron_cdt.engine.norm import rms_norm
from megatron_cdt.engine.transformer_engine import FusedAttention
from megatron_cdt.huggingface.config import write_config
from megatron_cdt.huggingface.fresh import initialize_adapters, initialize_weights
from megatron_cdt.huggingface.names import tensor_shapes
from megatron_cdt.huggingface.weights import fill, whole_tensors
from megatron_cdt.objectives.cdt import DETECTION_IN_FP8, CdtSettings
from megatron_cdt.objectives.cdt.objective import ContextDenoising, detect
from megatron_cdt.objectives.ce import CrossEntropy
from megatron_cdt.objectives.cross_entropy import add_product
from tests.gpu.scores import row_of, scores

RATES = {"lr_nominal": 1e-2, "lr_scheduled": 1e-2}
ARCHITECTURE = Architecture(
    vocab_size=1024,
    hidden_size=512,
    num_layers=4,
    num_attention_heads=8,
    num_key_value_heads=2,
    head_dim=64,
    ffn_hidden_size=1024,
    max_position_embeddings=1024,
    initializer_range=0.05,
)


@pytest.fixture(scope="module")
def hf_folder(tmp_path_factory) -> Path:
    """A small Llama of transformers, its weights such that attention is far from uniform."""
    torch.manual_seed(0)
    config = LlamaConfig(**write_config(ARCHITECTURE))
    folder = tmp_path_factory.mktemp("llama")
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def on_cpu(hf_folder, tmp_path_factory):
    """The scores of a process that sees no GPU, by dtype."""
    outputs = tmp_path_factory.mktemp("scores")
    found = {}
    for dtype in ("float32", "bfloat16"):
        command = [sys.executable, "-m", "tests.gpu.scores", str(hf_folder), "--dtype", dtype]
        command += ["--output", str(outputs / f"{dtype}.npz")]
        done = subprocess.run(
            command,
            env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "8"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        found[dtype] = dict(np.load(outputs / f"{dtype}.npz"))
    return found


def distance(given: np.ndarray, exact: np.ndarray) -> float:
    """||given - exact|| / ||exact||."""
    return float(np.linalg.norm(given - exact) / np.linalg.norm(exact))


def test_in_fp32_every_number_is_the_cpus_and_the_mask_is_equal(hf_folder, on_cpu):
    found, exact = scores(str(hf_folder), torch.float32), on_cpu["float32"]
    for name in ("logits", "losses", "norms", "loss", "threshold"):
        assert distance(found[name], exact[name]) < 1e-4, name
    assert np.array_equal(found["noise"], exact["noise"])


def test_in_bf16_it_is_as_near_to_fp32_as_the_cpu_is_in_bf16(hf_folder, on_cpu):
    found, exact, rounded = scores(str(hf_folder), torch.bfloat16), on_cpu["float32"], on_cpu["bfloat16"]
    for name in ("logits", "losses", "norms", "loss", "threshold"):
        ours, cpus = (distance(numbers[name], exact[name]) for numbers in (found, rounded))
        print(f"{name}: {ours:.2e} on the GPU, {cpus:.2e} on the CPU")
        assert ours < max(1.5 * cpus, 1e-3), name
    agreement, cpus = (np.mean(numbers["noise"] == exact["noise"]) for numbers in (found, rounded))
    print(f"mask: {agreement:.2%} on the GPU, {cpus:.2%} on the CPU")
    assert agreement > cpus - 0.01


def model_of(groups, **options):
    model = build_model(ARCHITECTURE, groups, ModelOptions(dtype=torch.bfloat16, fp32_residual=True, **options))
    initialize_weights(model, ARCHITECTURE, 3, groups)
    return model


def step(objective, model, row):
    """Loss, telemetry and parameter gradients of one row."""
    model.zero_grad(set_to_none=True)
    loss, telemetry = objective.at_rates(**RATES)(model, row)
    loss.backward()
    return loss.detach(), telemetry, {name: each.grad for name, each in model.named_parameters()}


@pytest.fixture
def row(groups):
    return row_of(ARCHITECTURE.vocab_size, groups)


def test_the_layers_are_transformer_engines(groups):
    attention = model_of(groups).decoder.layers[0].self_attention
    assert isinstance(attention.core_attention, FusedAttention)
    assert "TEColumnParallelLinear" in type(attention.linear_qkv).__name__


def test_with_beta_zero_the_step_equals_cross_entropy_bit_for_bit(groups, row):
    model = model_of(groups)
    plain_loss, _, plain = step(CrossEntropy(groups), model, row)
    loss, _, denoised = step(ContextDenoising(groups, CdtSettings(beta=0)), model, row)
    assert torch.equal(loss, plain_loss)
    assert all(torch.equal(plain[name], denoised[name]) for name in plain)


@pytest.mark.parametrize("recompute", ["selective", "full"])
def test_recomputed_layers_change_no_bit(groups, row, recompute):
    objective = ContextDenoising(groups, CdtSettings())
    loss, _, kept = step(objective, model_of(groups), row)
    again, _, computed = step(objective, model_of(groups, recompute=recompute), row)
    assert torch.equal(loss, again)
    assert all(torch.equal(kept[name], computed[name]) for name in kept)


def test_detection_leaves_every_parameter_gradient_untouched(groups, row):
    model = model_of(groups)
    before = {}
    for name, parameter in model.named_parameters():
        before[name] = parameter.grad = torch.randn_like(parameter)
    before = {name: grad.clone() for name, grad in before.items()}
    detect(model, row, model.embed(row.input_ids_T), reduction="mean", groups=groups)
    assert all(torch.equal(before[name], parameter.grad) for name, parameter in model.named_parameters())


def test_detection_in_fp8_sees_most_tokens_as_the_exact_one_does(groups, row):
    model = model_of(groups)
    exact, coarse = (
        detect(model, row, model.embed(row.input_ids_T), reduction="sum", groups=groups, fp8=fp8)
        for fp8 in (None, DETECTION_IN_FP8)
    )
    real = row.real_T
    agreement = (exact.noise_T == coarse.noise_T)[real].double().mean().item()
    print(f"{agreement:.2%} of the mask agree; loss {coarse.loss / exact.loss - 1:+.2e}")
    assert not torch.equal(exact.norms_T, coarse.norms_T)
    assert agreement > 0.9


@pytest.mark.parametrize("chunks", [1, 3])
def test_the_heads_gradient_is_summed_in_fp32(chunks):
    torch.manual_seed(0)
    left, right = (torch.randn(96, width, device="cuda", dtype=torch.bfloat16) for width in (640, 128))
    total = None
    for left_part, right_part in zip(left.chunk(chunks), right.chunk(chunks), strict=True):
        total = add_product(total, left_part.T, right_part)
    assert total.dtype is torch.float32
    exact = left.double().T @ right.double()
    assert ((total - exact).norm() / exact.norm()).item() < 1e-6


@pytest.mark.parametrize("stream", [torch.float32, torch.bfloat16])
def test_the_norm_is_its_formula_for_a_stream_of_either_width(stream):
    torch.manual_seed(0)
    hidden = torch.randn(64, 1, 512, device="cuda", dtype=stream, requires_grad=True)
    weight = torch.rand(512, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    grad = torch.randn(64, 1, 512, device="cuda", dtype=torch.bfloat16)
    output = rms_norm(hidden, weight, 1e-5)
    output.backward(grad)
    exact = hidden.detach().double().requires_grad_(), weight.detach().double().requires_grad_()
    expected = exact[0] / (exact[0].square().mean(-1, keepdim=True) + 1e-5).sqrt() * exact[1]
    expected.backward(grad.double())
    assert (output.dtype, hidden.grad.dtype, weight.grad.dtype) == (torch.bfloat16, stream, torch.bfloat16)
    pairs = [(output, expected), (hidden.grad, exact[0].grad), (weight.grad, exact[1].grad)]
    for given, right in pairs:
        assert ((given - right).norm() / right.norm()).item() < 5e-3


def test_with_lora_the_layers_compute_what_merged_weights_do_and_only_updates_learn(groups, row):
    adapted, merged = model_of(groups), model_of(groups)
    base = step(CrossEntropy(groups), model_of(groups), row)[0]
    add_adapters(adapted, LoraSettings(targets=TARGETS), groups)
    initialize_adapters(adapted, ARCHITECTURE, 7, groups)
    with torch.no_grad():
        for _, adapter in adapters_of(adapted):
            for b in adapter.B.values():
                torch.nn.init.normal_(b, std=0.3)
        shapes = tensor_shapes(ARCHITECTURE)
        whole = {name: each.cpu() for name, each in zip(shapes, whole_tensors(adapted, groups, shapes), strict=True)}
    fill(merged, Whole(whole), groups)
    loss, _, gradients = step(ContextDenoising(groups, CdtSettings(detect_through="base")), adapted, row)
    assert {name for name, each in gradients.items() if each is not None} == {
        name for name in gradients if is_adapter(name)
    }
    plain, expected = (step(CrossEntropy(groups), model, row)[0] for model in (adapted, merged))
    assert torch.isfinite(loss)
    print(f"{plain:.2f} with updates, {expected:.2f} merged, {base:.2f} without")
    assert abs(plain - expected) < 0.05 * abs(plain - base)


class Whole:
    """Tensors by their Hugging Face names, for one process."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        self.tensors = tensors

    def read(self, name: str, axis=None, rank=0, size=1) -> torch.Tensor:
        return self.tensors[name]
