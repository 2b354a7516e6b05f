"""One step against plain PyTorch, and the steps that must not be taken."""

import contextlib
import dataclasses
import json
import math
from typing import ClassVar, get_args

import numpy as np
import pytest
import torch

from contracts.errors import InputError
from contracts.packs import PackReader
from megatron_cdt.engine.model import build_model
from megatron_cdt.engine.parallel import stop_processes
from megatron_cdt.objectives.ce import CrossEntropy
from megatron_cdt.objectives.method import Method
from megatron_cdt.objectives.objective import Column, Objective
from megatron_cdt.objectives.registry import METHODS, MethodSettings, objective_class
from megatron_cdt.objectives.row import local_row
from megatron_cdt.training.checkpoint import TrainingState
from megatron_cdt.training.data_order import rows_of_step
from megatron_cdt.training.optimizer import build_optimizer, wrap_model
from megatron_cdt.training.report import Reporter
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.step import StepResult, train_step
from tests.megatron_cdt.training.job import train_settings, write_pack

RATE = 0.02


@pytest.fixture
def groups(groups):
    yield groups
    stop_processes()


@pytest.fixture
def pack(tmp_path) -> PackReader:
    return PackReader(write_pack(tmp_path / "packs", rows=6, seed=3, tokenizer_digest="t"))


def settings_of(**changes) -> TrainSettings:
    # Adam with a tiny epsilon would blow up the rounding of tiny gradients.
    constant = {"warmup_steps": 0, "learning_rate": RATE, "min_learning_rate": RATE, "adam_eps": 1e-3}
    return TrainSettings(**train_settings(**{"method": "ce"} | constant | changes))


def state_of(model, settings, groups) -> TrainingState:
    ddp = wrap_model(model, groups)
    return TrainingState(ddp, build_optimizer(ddp, settings, groups), None, groups)


def naive_steps(model, pack, settings, groups, steps: int) -> list[tuple[float, float]]:
    """Loss and gradient norm of each step, all in plain PyTorch: mean over labels, clip, AdamW without Megatron."""
    matrices = [weight for weight in model.parameters() if weight.dim() > 1]
    vectors = [weight for weight in model.parameters() if weight.dim() == 1]
    adam = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=RATE,
        betas=settings.adam_betas,
        eps=settings.adam_eps,
    )
    told = []
    for step in range(1, steps + 1):
        numbers = rows_of_step(step, num_rows=len(pack), batch_rows=4, seed=settings.seed)
        rows = [local_row(pack.row(number), groups) for number in numbers]
        losses = [CrossEntropy(groups)(model, row)[0] for row in rows]
        loss = sum(losses) / sum(row.num_labels for row in rows)
        adam.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip_grad or math.inf)
        adam.step()
        told.append((loss.item(), norm.item()))
    return told


@pytest.mark.parametrize("clip_grad", [0.5, 0.0], ids=["clipped", "unclipped"])
def test_loss_norm_and_weights_are_those_of_a_plain_pytorch_loop(
    tiny_model, tiny_architecture, pack, groups, clip_grad
):
    settings = settings_of(clip_grad=clip_grad)
    plain = build_model(tiny_architecture, groups)
    plain.load_state_dict(tiny_model.state_dict())
    wanted = naive_steps(plain, pack, settings, groups, steps=3)
    assert all(norm > 0.5 for _, norm in wanted)
    state = state_of(tiny_model, settings, groups)
    for step, (loss, norm) in enumerate(wanted, start=1):
        metrics = train_step(state, pack, settings, step, consumed_tokens=0).metrics
        assert (metrics["loss"], metrics["grad_norm"]) == pytest.approx((loss, norm), rel=1e-5)
    for (name, weight), expected in zip(tiny_model.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(weight, expected, rtol=1e-4, atol=1e-5, msg=name)


def test_tokens_and_rows_are_counted_without_padding(tiny_model, pack, groups):
    settings = settings_of()
    result = train_step(state_of(tiny_model, settings, groups), pack, settings, 1, consumed_tokens=1000)
    rows = rows_of_step(1, num_rows=6, batch_rows=4, seed=settings.seed)
    assert result.tokens == sum(int(pack.row(row).segment_tokens.sum()) for row in rows)
    assert result.metrics["consumed_tokens"] == 1000 + result.tokens
    assert result.metrics["consumed_rows"] == 4


def test_a_loss_that_is_no_number_stops_the_run_and_names_step_and_rows(tiny_model, pack, groups):
    settings = settings_of()
    state = state_of(tiny_model, settings, groups)
    with torch.no_grad():
        tiny_model.head_weight()[0] = math.nan
    embedding = tiny_model.embedding.word_embeddings.weight
    before = embedding.clone()
    rows = sorted(set(rows_of_step(2, num_rows=6, batch_rows=4, seed=settings.seed)))
    with pytest.raises(InputError, match=rf"step 2: the loss is nan in rows \[{', '.join(map(str, rows))}\]"):
        train_step(state, pack, settings, 2, consumed_tokens=0)
    assert torch.equal(embedding, before)


class WithoutLabels(PackReader):
    """Rows whose labels are all masked, but for those in `labelled`."""

    labelled: tuple[int, ...] = ()

    def row(self, index):
        row = super().row(index)
        if index in self.labelled:
            return row
        return dataclasses.replace(row, label_spans=np.empty((0, 2), dtype=np.int32))


@pytest.mark.parametrize("method", ["ce", "cdt"])
def test_a_row_without_labels_teaches_nothing_and_harms_nothing(tiny_model, pack, groups, method):
    settings = settings_of(method=method)
    rows = rows_of_step(1, num_rows=6, batch_rows=4, seed=settings.seed)
    masked = WithoutLabels(pack.folder)
    masked.labelled = (rows[0],)
    metrics = train_step(state_of(tiny_model, settings, groups), masked, settings, 1, consumed_tokens=0).metrics
    assert all(math.isfinite(value) for value in metrics.values())


def test_a_step_without_any_label_is_refused(tiny_model, pack, groups):
    settings = settings_of()
    with pytest.raises(InputError, match="have no labelled token"):
        train_step(state_of(tiny_model, settings, groups), WithoutLabels(pack.folder), settings, 1, consumed_tokens=0)


def test_denoising_that_changes_nothing_is_said_loudly_once(tiny_model, pack, groups, tmp_path, capsys):
    settings = settings_of(method="cdt", cdt={"beta": 0.0})
    state = state_of(tiny_model, settings, groups)
    with contextlib.closing(Reporter(tmp_path, objective_class("cdt"), last_step=1000)) as reporter:
        for step in (1, 2):
            result = train_step(state, pack, settings, step, consumed_tokens=0)
            assert result.metrics["changed_share"] == 0
            reporter.step(result, 0.5, flops=1e9)
    said = capsys.readouterr().err
    assert said.count("step 1: denoising changed no embedding element") == 1
    title, first, _, second = said.splitlines()
    assert len(title) == len(first) == len(second)
    assert title.split() == [
        "step",
        "loss",
        "grad",
        "norm",
        "lr",
        "tokens/s",
        "TFLOP/s",
        "MFU",
        "MiB",
        "noise",
        "shift",
    ]
    assert " n/a " in first


def test_metrics_hold_no_times_and_timing_has_them(groups, tmp_path):
    metrics = {"step": 1, "loss": 2.0, "grad_norm": 1.0, "lr": 0.1}
    with contextlib.closing(Reporter(tmp_path, objective_class("ce"), last_step=1)) as reporter:
        reporter.step(StepResult(metrics, tokens=100), seconds=0.5, flops=3e12)
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == metrics
    timing = json.loads((tmp_path / "timing.jsonl").read_text())
    assert (timing["tokens_per_second"], timing["tflops_per_second"], timing["mfu"]) == (200, 6, None)


@pytest.mark.parametrize("method", METHODS)
def test_the_words_of_every_value_that_a_method_tells_lie_beside_its_metrics(groups, tmp_path, method):
    with contextlib.closing(Reporter(tmp_path, objective_class(method), last_step=1)):
        words = json.loads((tmp_path / "telemetry.json").read_text())
    assert words["columns"].keys() == objective_class(method).telemetry.keys()
    assert all(column["title"] and column["unit"] for column in words["columns"].values())
    assert bool(words["explanation"]) == bool(words["columns"])
    assert words["plain_loss"] in {None, *words["columns"]}


class Preferences(PackReader):
    """Rows of three answers (chosen, rejected, rejected), labelled in the second half of each."""

    def row(self, index):
        lengths = np.array([8, 12, 12], dtype=np.int32)
        spans = np.array([[4, 8], [14, 20], [26, 32]], dtype=np.int32)
        starts = np.zeros(3, dtype=np.int64)
        return dataclasses.replace(
            super().row(index),
            segment_lengths=lengths,
            segment_tokens=lengths,
            segment_starts=starts,
            label_spans=spans,
        )


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("ce", set()),
        ("sft", set()),
        ("longce", {"mean_weight", "clipped_share"}),
        ("cdt", {"detection_loss", "noise_share", "threshold", "relative_shift", "changed_share"}),
        ("logo", {"preference_margin", "preferred_share"}),
    ],
)
def test_every_method_trains_from_its_settings_and_tells_its_own_telemetry(tiny_model, pack, groups, method, told):
    settings = settings_of(method=method, longce={"context": 4, "stride": 2})
    state = state_of(tiny_model, settings, groups)
    metrics = train_step(state, Preferences(pack.folder), settings, 1, consumed_tokens=0).metrics
    common = {"step", "loss", "grad_norm", "lr", "consumed_rows", "consumed_tokens"}
    assert set(metrics) == common | told
    assert all(math.isfinite(value) for value in metrics.values())
    assert metrics["grad_norm"] > 0


class Spread(Objective):
    """Cross-entropy, and how far the rows of a step lie apart: a loss between rows."""

    telemetry: ClassVar[dict[str, Column]] = {"spread": Column("rows", "Spread of the rows", "nats")}

    def losses(self, model, rows):
        sums = torch.stack([CrossEntropy(self.groups)(model, row)[0] for row in rows])
        spread = sums.var(correction=0)
        for place in range(len(rows)):
            loss = sums.sum() + spread if place == 0 else torch.zeros((), requires_grad=True)
            yield loss, {"spread": spread.item()}


def test_a_method_with_a_loss_between_rows_is_a_class_and_a_line(tiny_model, pack, groups, monkeypatch):
    monkeypatch.setitem(METHODS, "ce", Method("spread", f"{__name__}:Spread"))
    settings = settings_of(global_batch_rows=4)
    numbers = rows_of_step(1, num_rows=len(pack), batch_rows=4, seed=settings.seed)
    rows = [local_row(pack.row(number), groups) for number in numbers]
    labels = sum(row.num_labels for row in rows)
    sums = torch.stack([CrossEntropy(groups)(tiny_model, row)[0] for row in rows])
    loss = (sums.sum() + sums.var(correction=0)) / labels
    gradients = torch.autograd.grad(loss, list(tiny_model.parameters()))
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    metrics = train_step(state_of(tiny_model, settings, groups), pack, settings, 1, consumed_tokens=0).metrics
    assert metrics["loss"] == pytest.approx(loss.item(), rel=1e-5)
    assert metrics["grad_norm"] == pytest.approx(norm.item(), rel=1e-4)
    assert metrics["spread"] == pytest.approx(sums.var(correction=0).item(), rel=1e-4)


def test_every_method_of_the_settings_is_in_the_registry():
    assert tuple(METHODS) == get_args(MethodSettings.model_fields["method"].annotation)
