"""Checkpoints of a run: every bit comes back, only whole ones count, and saving leaves nothing behind."""

import os

import pytest
import torch

from contracts.packs import PackReader
from megatron_cdt.engine.model import build_model
from megatron_cdt.engine.parallel import stop_processes
from megatron_cdt.training.checkpoint import (
    Progress,
    TrainingState,
    checkpoints_in,
    load_newest_checkpoint,
    save_checkpoint,
)
from megatron_cdt.training.optimizer import build_optimizer, wrap_model
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.step import train_step
from tests.megatron_cdt.training.job import train_settings, write_pack


@pytest.fixture
def groups(groups):
    yield groups
    stop_processes()


@pytest.fixture
def pack(tmp_path) -> PackReader:
    return PackReader(write_pack(tmp_path / "packs", rows=6, seed=3, tokenizer_digest="t"))


def fresh_state(architecture, settings, groups) -> TrainingState:
    model = build_model(architecture, groups, dtype=getattr(torch, settings.dtype))
    ddp = wrap_model(model, groups)
    return TrainingState(ddp, build_optimizer(ddp, settings, groups), architecture, groups)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_step_after_loading_is_the_step_after_saving_bit_for_bit(tiny_architecture, groups, pack, tmp_path, dtype):
    settings = TrainSettings(**train_settings(dtype=dtype, method="ce"))
    state = fresh_state(tiny_architecture, settings, groups)
    for step in (1, 2):
        train_step(state, pack, settings, step, consumed_tokens=0)
    save_checkpoint(tmp_path, state, Progress(2, 8, 200), keep=1)
    loaded = fresh_state(tiny_architecture, settings, groups)
    assert load_newest_checkpoint(tmp_path, loaded) == Progress(2, 8, 200)
    results = [[train_step(each, pack, settings, step, 0) for step in (3, 4)] for each in (state, loaded)]
    assert results[0] == results[1]
    for saved, again in zip(state.ddp.module.parameters(), loaded.ddp.module.parameters(), strict=True):
        assert torch.equal(saved, again)


def test_the_newest_are_kept_and_what_a_kill_left_is_removed(tiny_architecture, groups, pack, tmp_path):
    settings = TrainSettings(**train_settings(method="ce"))
    state = fresh_state(tiny_architecture, settings, groups)
    train_step(state, pack, settings, 1, consumed_tokens=0)
    half_saved = tmp_path / "step-00000002.tmp"
    half_saved.mkdir()
    (half_saved / "__0_0.distcp").write_bytes(b"torn")
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, state, Progress(step), keep=2)
    assert [path.name for path in checkpoints_in(tmp_path)] == ["step-00000003", "step-00000002"]
    assert sorted(path.name for path in tmp_path.glob("step-*")) == ["step-00000002", "step-00000003"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "absent", "no-digests"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_loaded(
    tiny_architecture, groups, pack, tmp_path, capsys, damage
):
    settings = TrainSettings(**train_settings(method="ce"))
    state = fresh_state(tiny_architecture, settings, groups)
    train_step(state, pack, settings, 1, consumed_tokens=0)
    for step in (1, 2):
        save_checkpoint(tmp_path, state, Progress(step), keep=2)
    file = tmp_path / "step-00000002" / ("digests.json" if damage == "no-digests" else "__0_0.distcp")
    content = file.read_bytes()
    file.unlink()
    if damage == "cut":
        file.write_bytes(content[:-1])
    elif damage == "flipped":
        file.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert load_newest_checkpoint(tmp_path, fresh_state(tiny_architecture, settings, groups)) == Progress(1)
    assert f"{file.parent}: {file.name} is " in capsys.readouterr().err


def test_saving_starts_no_process_that_a_kill_would_leave_behind(
    tiny_architecture, groups, pack, tmp_path, monkeypatch
):
    def refuse(*_arguments):
        raise AssertionError("a process was started")

    settings = TrainSettings(**train_settings(method="ce"))
    state = fresh_state(tiny_architecture, settings, groups)
    train_step(state, pack, settings, 1, consumed_tokens=0)
    for name in ("fork", "posix_spawn"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr("_posixsubprocess.fork_exec", refuse)
    save_checkpoint(tmp_path, state, Progress(1), keep=1)
    assert checkpoints_in(tmp_path)
