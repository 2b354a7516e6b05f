"""Every objective's steps are those of one process, under every way of sharing a run: numbers, CDT's mask, weights.

The rows have three padded segments. The answer-only ones have labels of context rank 0 alone, and in the first step
data rank 1 of 2 has none at all. Processes are started once for two and once for four.
"""

import math
from pathlib import Path

import numpy as np
import pytest

from contracts.packs import PackReader
from megatron_cdt.engine.model import ModelOptions, build_model
from megatron_cdt.engine.options import Layout
from megatron_cdt.engine.parallel import stop_processes
from megatron_cdt.huggingface.config import read_architecture
from megatron_cdt.huggingface.names import tensor_shapes
from megatron_cdt.huggingface.weights import load_weights, whole_tensors
from megatron_cdt.objectives.cdt.objective import detect
from megatron_cdt.objectives.row import local_row
from megatron_cdt.training.checkpoint import Progress, TrainingState, load_newest_checkpoint
from megatron_cdt.training.data_order import rows_of_step
from megatron_cdt.training.loop import validation_loss
from megatron_cdt.training.optimizer import build_optimizer, wrap_model
from megatron_cdt.training.saving import CheckpointSaver
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.step import train_step
from tests.megatron_cdt.distributed import results_by_layout, run_distributed, start_layout
from tests.megatron_cdt.huggingface.models import VOCAB, random_llama
from tests.megatron_cdt.training.job import train_settings, write_pack

SEGMENTS, TOKENS = [8, 24, 16], [7, 22, 16]
ROWS, STEPS, BATCH = 6, 2, 4
SEED = 1234
# Adam divides a gradient by its own size: with its usual 1e-8, an entry whose gradient is nothing but rounding (1e-9)
# takes a whole step to a side that rounding decides. Well above rounding, the division keeps what the layouts share.
ADAM_EPS = 1e-3
METHODS = {
    "ce": {},
    "sft": {},
    "longce": {"longce": {"context": 8, "stride": 6, "clip": 1.5}},
    "cdt": {"cdt": {"beta": 3.0, "reduction": "sum"}},
    "logo": {"logo": {"margin": 0.1}},
}
# (method, labels, whether the head is the embedding)
CASES = [
    *((method, "answer", False) for method in METHODS),
    *((method, "all", False) for method in METHODS if method != "sft"),
    ("cdt", "all", True),
]
SEQUENCE = {"sequence_parallel": True}
LAYOUTS = {
    "tp2": ({"tensor": 2}, 2, {}),
    "cp2": ({"context": 2}, 2, {}),
    "pp2": ({"pipeline": 2}, 2, {}),
    "dp2": ({}, 2, {}),
    "cp4": ({"context": 4}, 4, {}),
    "tp2-cp2": ({"tensor": 2, "context": 2}, 4, SEQUENCE),
    "cp2-dp2": ({"context": 2}, 4, {}),
    "pp2-dp2": ({"pipeline": 2}, 4, {}),
}


def row_of(labels: str, number: int) -> dict:
    """One row as Arrow takes it."""
    starts = np.cumsum([0, *SEGMENTS[:-1]])
    # Tokens 1 and 2 of every segment: their labels lie at its start, which context rank 0 holds.
    spans = [{"start": int(start) + 1, "end": int(start) + 2} for start in starts]
    unlabelled = number in rows_of_step(1, num_rows=ROWS, batch_rows=BATCH, seed=SEED)[1::2]
    return {
        "input_ids": np.random.default_rng(number).integers(0, VOCAB, sum(SEGMENTS)).tolist(),
        "segment_lengths": SEGMENTS,
        "segment_tokens": TOKENS,
        "segment_documents": [f"{number}.{segment}" for segment in range(len(SEGMENTS))],
        "segment_starts": [0] * len(SEGMENTS),
        "label_spans": None if labels == "all" else [] if unlabelled else spans,
        "evidence_spans": None,
    }


def every_case(folder: Path, layouts: list[str]) -> list[dict]:
    """In this process: the result of every case under each of the layouts."""
    return [cases_under(folder, layout, options) for layout, _, options in (LAYOUTS[name] for name in layouts)]


def cases_under(folder: Path, layout: dict, options: dict) -> dict:
    """The result of every case; the groups are made once, because gloo starts threads for each."""
    groups = start_layout(Layout(**layout))
    return {case: steps(folder, groups, options, case) for case in CASES}


def steps(folder: Path, groups, options: dict, case: tuple[str, str, bool]) -> dict:
    """The optimizer steps of one case in this process: metrics, CDT's mask of a row, and the weights afterwards."""
    method, labels, tied = case
    settings = TrainSettings(
        **train_settings(method=method, global_batch_rows=BATCH, adam_eps=ADAM_EPS, seed=SEED, **METHODS[method])
    )
    pack = PackReader(folder / labels)
    state = state_of(folder / f"tied-{tied}", settings, groups, options)
    mask = noise_of_row(state.ddp.module, pack, groups) if method == "cdt" else None
    metrics = [train_step(state, pack, settings, step, 0).metrics for step in range(1, STEPS + 1)]
    held_back = validation_loss(state.ddp.module, pack, groups)
    shapes = tensor_shapes(state.architecture)
    weights = {
        name: tensor.clone()
        for name, tensor in zip(shapes, whole_tensors(state.ddp.module, groups, shapes), strict=True)
    }
    has_whole = groups.tp.rank() == groups.pp.rank() == 0
    return {"metrics": metrics, "mask": mask, "validation": held_back, "weights": weights if has_whole else None}


def state_of(folder: Path, settings: TrainSettings, groups, options: dict) -> TrainingState:
    """Model and optimizer with the folder's weights."""
    architecture = read_architecture(folder)
    model = build_model(architecture, groups, ModelOptions(**options))
    load_weights(model, folder, groups)
    ddp = wrap_model(model, groups)
    return TrainingState(ddp, build_optimizer(ddp, settings, groups), architecture, groups)


def noise_of_row(model, pack: PackReader, groups) -> tuple[list[int], list[bool]]:
    """The places in the pack's first labelled row of this process's embeddings, and which of those are noise."""
    rows = (local_row(pack.row(number), groups) for number in range(ROWS))
    row = next(row for row in rows if row.num_labels)
    noise = detect(model, row, model.embed(row.input_ids_T), reduction="sum", groups=groups).noise_T
    places = row.indices_T if model.pre_process else row.indices_T[:0]
    if model.config.sequence_parallel and model.pre_process:
        places = places.chunk(groups.tp.size())[groups.tp.rank()]
    return places.tolist(), noise.tolist()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Rows of both kinds, a model with a head of its own and one without."""
    made = tmp_path_factory.mktemp("matrix")
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
    for tied in (False, True):
        random_llama(made / f"tied-{tied}", tie_word_embeddings=tied)
    return made


@pytest.fixture(scope="module")
def alone(folder) -> dict:
    """Every case in one process."""
    made = cases_under(folder, {}, {})
    stop_processes()
    return made


@pytest.fixture(scope="module")
def shared(folder):
    """By layout, the results of its processes."""
    return results_by_layout(every_case, folder, {name: processes for name, (_, processes, _) in LAYOUTS.items()})


def test_the_answers_of_the_first_step_leave_a_context_rank_and_a_data_rank_without_a_label(folder):
    pack = PackReader(folder / "answer")
    numbers = rows_of_step(1, num_rows=ROWS, batch_rows=BATCH, seed=SEED)
    labelled = [np.flatnonzero(pack.row(number).target_mask()) for number in numbers]
    assert [len(places) for places in labelled] == [3, 0, 3, 0]
    # With four context ranks a chunk of the shortest segment is one token.
    assert labelled[0].tolist() == [0, 8, 32]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_numbers_mask_and_weights_of_every_objective_are_those_of_one_process(alone, shared, layout):
    processes = shared(layout)
    for case, expected in alone.items():
        results = [process[case] for process in processes]
        for result in results:
            assert result["metrics"] == [pytest.approx(line, rel=1e-5) for line in expected["metrics"]], case
            assert result["validation"] == pytest.approx(expected["validation"], rel=1e-5), case
            assert_same_weights(result["weights"], expected["weights"], case)
        if expected["mask"]:
            wanted = dict(zip(*expected["mask"], strict=True))
            assert 0 < sum(wanted.values()) < sum(TOKENS)
            assert {place: noise for result in results for place, noise in zip(*result["mask"], strict=True)} == wanted


def assert_same_weights(weights: dict | None, expected: dict, case: tuple) -> None:
    """Every entry equal to 1e-5 of its tensor's largest, on the processes that hold whole tensors."""
    for name, weight in expected.items() if weights else ():
        difference = (weights[name] - weight).abs().max()
        assert difference <= 1e-5 * weight.abs().max(), (case, name, difference.item())


def resumed(folder: Path, run_folder: Path) -> list[float]:
    """The metrics of a second step: gone on with at once, and from the first step's checkpoint."""
    groups = start_layout(Layout(pipeline=2))
    settings = TrainSettings(**train_settings(global_batch_rows=BATCH))
    pack = PackReader(folder / "all")
    first = state_of(folder / "tied-True", settings, groups, {})
    train_step(first, pack, settings, 1, 0)
    CheckpointSaver(run_folder, keep=1, in_background=False).save(first, Progress(1, BATCH, 0))
    second = state_of(folder / "tied-True", settings, groups, {})
    assert load_newest_checkpoint(run_folder, second) == Progress(1, BATCH, 0)
    return [train_step(state, pack, settings, 2, 0).metrics for state in (first, second)]


def test_stages_of_a_tied_model_go_on_from_their_checkpoint_bit_by_bit(folder, tmp_path):
    for at_once, from_checkpoint in run_distributed(resumed, 2, folder, tmp_path):
        assert at_once == from_checkpoint
        assert math.isfinite(at_once["loss"])
