"""LoRA's steps are those of one process under every way of sharing a run, for every method, from fresh adapters."""

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from contracts.packs import PackReader
from megatron_cdt.engine.lora import TARGETS
from megatron_cdt.engine.lora.adapters import add_adapters
from megatron_cdt.engine.model import ModelOptions, build_model
from megatron_cdt.engine.options import Layout
from megatron_cdt.engine.parallel import stop_processes
from megatron_cdt.huggingface.adapter_folder import stored_shapes
from megatron_cdt.huggingface.config import read_architecture
from megatron_cdt.huggingface.fresh import initialize_adapters
from megatron_cdt.huggingface.names import tensor_shapes
from megatron_cdt.huggingface.weights import load_weights, whole_tensors
from megatron_cdt.objectives.method import Method
from megatron_cdt.objectives.registry import METHODS
from megatron_cdt.training.checkpoint import Progress, TrainingState, load_newest_checkpoint
from megatron_cdt.training.optimizer import build_optimizer, wrap_model
from megatron_cdt.training.saving import CheckpointSaver
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.step import train_step
from tests.megatron_cdt.distributed import results_by_layout, run_distributed, start_layout
from tests.megatron_cdt.huggingface.models import VOCAB, random_model
from tests.megatron_cdt.objectives.test_between_rows import __name__ as CONTRASTIVE
from tests.megatron_cdt.training.job import train_settings, write_pack
from tests.megatron_cdt.training.test_layout_matrix import (
    ADAM_EPS,
    BATCH,
    ROWS,
    SEED,
    SEGMENTS,
    STEPS,
    row_of,
)

LEARNING_RATE = train_settings()["learning_rate"]
EVERYTHING = {"rank": 3, "targets": TARGETS, "train_embeddings": True, "train_norms": True}
ATTENTION = {"rank": 4, "alpha": 6.0}
SOME = {"rank": 2, "targets": ["k_proj", "up_proj"], "train_norms": True}
# (method, labels, LoRA, the method's section); the head is the embedding.
CASES = {
    "ce": ("ce", "all", SOME, {}),
    "sft": ("sft", "answer", ATTENTION, {}),
    "longce": ("longce", "all", ATTENTION, {"context": 8, "stride": 6, "clip": 1.5}),
    "cdt": ("cdt", "all", EVERYTHING, {"beta": 3.0, "reduction": "sum"}),
    "cdt through the base": ("cdt", "all", ATTENTION, {"beta": 3.0, "reduction": "sum", "detect_through": "base"}),
    "logo": ("logo", "all", ATTENTION, {"margin": 0.1}),
    "between rows": ("ce", "all", ATTENTION, {}),
}
LAYOUTS = {
    "tp2": (Layout(tensor=2), 2, {}),
    "tp2-sequence-recompute": (Layout(tensor=2), 2, {"sequence_parallel": True, "recompute": "full"}),
    "cp2-recompute": (Layout(context=2), 2, {"recompute": "full"}),
    "pp2": (Layout(pipeline=2), 2, {}),
    "dp2": (Layout(), 2, {}),
    "tp2-pp2-sequence": (Layout(tensor=2, pipeline=2), 4, {"sequence_parallel": True}),
}


def every_case(folder: Path, layouts: list[str]) -> list[dict]:
    """In this process: the result of every case under each of the layouts."""
    return [cases_under(folder, layout, options) for layout, _, options in (LAYOUTS[name] for name in layouts)]


def cases_under(folder: Path, layout: Layout, options: dict) -> dict:
    groups = start_layout(layout)
    return {case: steps(folder, groups, options, case) for case in CASES}


def steps(folder: Path, groups, options: dict, case: str) -> dict:
    """Some steps of one case in this process: metrics, what was trained, and the merged weights."""
    method, labels, lora, section = CASES[case]
    sections = {"cdt": {"reduction": "sum"}} | ({method: section} if section else {})
    settings = TrainSettings(
        **train_settings(method=method, lora=lora, global_batch_rows=BATCH, adam_eps=ADAM_EPS, seed=SEED, **sections)
    )
    state = state_of(folder / "model", settings, groups, options)
    model, pack = state.ddp.module, PackReader(folder / labels)
    kept = METHODS["ce"]
    if case == "between rows":
        METHODS["ce"] = Method("contrastive", f"{CONTRASTIVE}:Contrastive")
    metrics = [train_step(state, pack, settings, step, 0).metrics for step in range(1, STEPS + 1)]
    METHODS["ce"] = kept
    has_whole = groups.tp.rank() == groups.pp.rank() == 0
    weights = {}
    for shapes in (stored_shapes(state.architecture, settings.lora), tensor_shapes(state.architecture)):
        whole = zip(shapes, whole_tensors(model, groups, shapes), strict=True)
        weights |= {name: tensor.clone() for name, tensor in whole}
    return {"metrics": metrics, "weights": weights if has_whole else None}


def state_of(folder: Path, settings: TrainSettings, groups, options: dict) -> TrainingState:
    """Model with fresh adapters on the folder's weights, and optimizer."""
    architecture = read_architecture(folder)
    model = build_model(architecture, groups, ModelOptions(**options))
    load_weights(model, folder, groups)
    add_adapters(model, settings.lora, groups)
    initialize_adapters(model, architecture, settings.seed, groups)
    ddp = wrap_model(model, groups)
    return TrainingState(ddp, build_optimizer(ddp, settings, groups), architecture, groups, folder, "digest")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Rows of both kinds, and a model with biases whose head is its embedding."""
    made = tmp_path_factory.mktemp("lora")
    for labels in ("all", "answer"):
        write_pack(
            made / labels,
            rows=ROWS,
            seed=0,
            tokenizer_digest="t",
            make_row=lambda _, number, labels=labels: row_of(labels, number),
            length=sum(SEGMENTS),
            vocab_size=VOCAB,
        )
    random_model(made / "model", "qwen2", tie_word_embeddings=True)
    return made


@pytest.fixture(scope="module")
def alone(folder) -> dict:
    """Every case in one process."""
    made = cases_under(folder, Layout(), {})
    stop_processes()
    return made


@pytest.fixture(scope="module")
def shared(folder):
    """By layout, the results of its processes."""
    return results_by_layout(every_case, folder, {name: processes for name, (_, processes, _) in LAYOUTS.items()})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_numbers_and_weights_of_every_method_are_those_of_one_process(alone, shared, layout):
    for process in shared(layout):
        for case, expected in alone.items():
            result = process[case]
            assert result["metrics"] == [pytest.approx(line, rel=1e-5, abs=1e-6) for line in expected["metrics"]], case
            for name, weight in expected["weights"].items() if result["weights"] else ():
                # An A or a B is all update: Adam divides its gradient by its size, which shows rounding more, and moves
                # it by up to the learning rate.
                scale = max(10 * weight.abs().max(), 10 * LEARNING_RATE) if ".lora_" in name else weight.abs().max()
                difference = (result["weights"][name] - weight).abs().max()
                assert difference <= 1e-5 * scale, (case, name, difference.item())


def test_every_case_trains_its_adapters_and_leaves_the_rest_alone(folder, alone):
    for case, result in alone.items():
        lora = TrainSettings(**train_settings(lora=CASES[case][2])).lora
        base = whole_base(folder)
        for name, weight in result["weights"].items():
            if ".lora_B." in name:
                assert weight.any(), (case, name)
            elif name in base:
                changes = name.endswith(tuple(f".{target}.weight" for target in lora.targets))
                changes |= lora.train_norms and name.endswith("norm.weight")
                changes |= lora.train_embeddings and name == "model.embed_tokens.weight"
                assert torch.equal(weight, base[name]) != changes, (case, name)
        assert math.isfinite(result["metrics"][-1]["loss"])


def whole_base(folder: Path) -> dict[str, torch.Tensor]:
    """The weights that all cases begin with."""
    return load_file(folder / "model" / "model.safetensors")


def resumed(folder: Path, run_folder: Path, layout: Layout) -> list[dict]:
    """The metrics of a second step: gone on with at once, and from the first step's checkpoint."""
    groups = start_layout(layout)
    settings = TrainSettings(**train_settings(lora=EVERYTHING, global_batch_rows=BATCH))
    pack = PackReader(folder / "all")
    first = state_of(folder / "model", settings, groups, {})
    train_step(first, pack, settings, 1, 0)
    CheckpointSaver(run_folder, keep=1, in_background=False).save(first, Progress(1, BATCH, 0))
    second = state_of(folder / "model", settings, groups, {})
    assert load_newest_checkpoint(run_folder, second) == Progress(1, BATCH, 0)
    return [train_step(state, pack, settings, 2, 0).metrics for state in (first, second)]


def test_stages_with_a_trained_tied_embedding_go_on_from_their_checkpoint_bit_by_bit(folder, tmp_path):
    for at_once, from_checkpoint in run_distributed(resumed, 2, folder, tmp_path, Layout(pipeline=2)):
        assert at_once == from_checkpoint
        assert math.isfinite(at_once["loss"])
