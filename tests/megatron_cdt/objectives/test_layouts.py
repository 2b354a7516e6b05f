"""Every objective has the same loss, telemetry and gradients under every way of sharing a row."""

import math

import numpy as np
import pytest
import torch
import torch.distributed as dist

from megatron_cdt.engine.device import megatron_calls
from megatron_cdt.engine.model import ModelOptions, build_model
from megatron_cdt.engine.parallel import Layout, start_processes, stop_processes, sum_over
from megatron_cdt.engine.pipeline import is_last_stage
from megatron_cdt.huggingface.config import read_architecture
from megatron_cdt.huggingface.names import tensor_shapes
from megatron_cdt.huggingface.weights import load_weights, whole_tensors
from megatron_cdt.objectives.registry import MethodSettings, build_objective
from megatron_cdt.objectives.row import NO_LABEL, WholeRow, cut_row
from tests.megatron_cdt.distributed import run_distributed
from tests.megatron_cdt.huggingface.models import random_llama

RATES = {"lr_nominal": 1e-2, "lr_scheduled": 1e-2}
METHODS = {
    "cdt": {"beta": 3.0},
    "controlled cdt": {"beta": 3.0, "control": {"moved": "random", "direction": "random", "match_norm": True}},
    "longce": {"context": 8, "stride": 6, "clip": 1.5},
    "logo": {"margin": 0.1},
}
CASES = [("ce", "all"), ("sft", "answer"), *((method, labels) for method in METHODS for labels in ("all", "answer"))]
SEGMENTS = [48, 16, 32]
REAL = [45, 16, 29]
# Of all targets these are context rank 0's, whether two ranks share the row or four: the others have none.
ANSWERS = [2, 43, 49, 62, 65]


def packed_row_parts(labelled: str):
    """Ids, labels and real tokens of one row of three documents, the first and the last padded at their end."""
    ids = np.random.default_rng(8).integers(0, 96, sum(SEGMENTS))
    real = np.concatenate([np.arange(length) < tokens for length, tokens in zip(SEGMENTS, REAL, strict=True)])
    last = np.concatenate([np.arange(length) >= tokens - 1 for length, tokens in zip(SEGMENTS, REAL, strict=True)])
    supervised = real & ~last
    if labelled == "answer":
        supervised &= np.isin(np.arange(len(ids)), ANSWERS)
    return ids, np.where(supervised, np.append(ids[1:], 0), -100), real


def steps(folder: str, layout: dict, options: dict) -> dict:
    """What every case computes on one row in this process: telemetry, the row's loss, gradients as in the folder."""
    groups = start_processes(Layout(**layout))
    results = {case: one_step(folder, groups, options, *case) for case in CASES}
    return {"cp_rank": groups.cp.rank(), "has_whole": groups.tp.rank() == groups.pp.rank() == 0, "results": results}


def one_step(folder: str, groups, options: dict, method: str, labelled: str) -> dict:
    """One objective on the row, from the folder's weights."""
    architecture = read_architecture(folder)
    ids, labels, real = packed_row_parts(labelled)
    with megatron_calls():
        model = build_model(architecture, groups, ModelOptions(**options))
        load_weights(model, folder, groups)
        row = cut_row(WholeRow(ids, labels, real, SEGMENTS, answers_only=labelled == "answer"), groups)
        name = method.split()[-1]
        settings = MethodSettings(method=name, **({name: METHODS[method]} if method in METHODS else {}))
        loss, telemetry = build_objective(settings, groups).at_rates(**RATES)(model, row)
        loss.backward()
        sum_gradients(model, groups)
        names = tensor_shapes(architecture)
        gradients = {
            name: tensor.clone() for name, tensor in zip(names, whole_tensors(model, groups, names), strict=True)
        }
    return {
        "loss": sum_over(loss, groups.cp, groups.pp).item(),
        "labels": int((row.labels_T != NO_LABEL).sum()),
        "telemetry": telemetry if is_last_stage(groups) else None,
        "gradients": gradients,
    }


def sum_gradients(model, groups) -> None:
    """Put the whole row's gradient where each weight was: summed over context parallel, and over sequence parallel."""
    for parameter in model.parameters():
        dist.all_reduce(parameter.grad, group=groups.cp)
        if getattr(parameter, "sequence_parallel", False):
            dist.all_reduce(parameter.grad, group=groups.tp)
        parameter.data = parameter.grad


@pytest.fixture(scope="module")
def hf_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    random_llama(folder, vocab_size=96)
    return str(folder)


@pytest.fixture(scope="module")
def alone(hf_folder):
    """Every case in one process."""
    made = steps(hf_folder, {}, {})["results"]
    stop_processes()
    return made


@pytest.mark.parametrize(
    ("layout", "options"),
    [
        ({"context": 2}, {}),
        ({"tensor": 2}, {}),
        ({"context": 4}, {"recompute": "full"}),
        ({"tensor": 2, "pipeline": 2}, {"sequence_parallel": True, "recompute": "full"}),
    ],
    ids=["cp2", "tp2", "cp4-recompute", "tp2-pp2-sequence-recompute"],
)
def test_a_step_shared_by_processes_is_the_step_of_one(hf_folder, alone, layout, options):
    for process in run_distributed(steps, math.prod(layout.values()), hf_folder, layout, options):
        for case, expected in alone.items():
            assert_same_step(process["results"][case], expected, with_gradients=process["has_whole"])
            if case[1] == "answer" and process["cp_rank"]:
                assert process["results"][case]["labels"] == 0


def assert_same_step(result: dict, expected: dict, *, with_gradients: bool) -> None:
    """Equal to 1e-5 relative; a gradient's tolerance is relative to its tensor's largest element."""
    assert result["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    if result["telemetry"] is not None:
        assert result["telemetry"] == pytest.approx(expected["telemetry"], rel=1e-5)
    for name, gradient in expected["gradients"].items() if with_gradients else ():
        scale = gradient.abs().max().item()
        torch.testing.assert_close(result["gradients"][name], gradient, rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.parametrize("recompute", ["full", "selective"])
def test_recomputed_layers_change_no_bit(hf_folder, alone, recompute):
    results = steps(hf_folder, {}, {"recompute": recompute})["results"]
    stop_processes()
    for case, expected in alone.items():
        assert results[case]["loss"] == expected["loss"]
        assert results[case]["telemetry"] == expected["telemetry"]
        gradients = results[case]["gradients"]
        assert all(torch.equal(gradients[name], gradient) for name, gradient in expected["gradients"].items())
