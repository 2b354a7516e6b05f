"""Checkpoints of a run: every bit comes back, only whole ones count, and saving leaves nothing behind."""

import os
import resource
import threading

import pytest
import torch

from contracts.errors import InputError
from contracts.packs import PackReader
from megatron_cdt.engine import checkpoint_writer
from megatron_cdt.engine.model import ModelOptions, build_model
from megatron_cdt.engine.parallel import stop_processes
from megatron_cdt.training.checkpoint import (
    Progress,
    TrainingState,
    checkpoints_in,
    load_newest_checkpoint,
)
from megatron_cdt.training.optimizer import build_optimizer, wrap_model
from megatron_cdt.training.saving import CheckpointSaver
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
    model = build_model(architecture, groups, ModelOptions(dtype=getattr(torch, settings.dtype)))
    ddp = wrap_model(model, groups)
    return TrainingState(ddp, build_optimizer(ddp, settings, groups), architecture, groups)


def save_checkpoint(folder, state: TrainingState, progress: Progress, *, keep: int) -> None:
    CheckpointSaver(folder, keep=keep, in_background=False).save(state, progress)


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


@pytest.mark.parametrize("in_background", [False, True])
def test_saving_starts_no_process_that_a_kill_would_leave_behind(
    tiny_architecture, groups, pack, tmp_path, monkeypatch, in_background
):
    def refuse(*_arguments):
        raise AssertionError("a process was started")

    settings = TrainSettings(**train_settings(method="ce"))
    state = fresh_state(tiny_architecture, settings, groups)
    train_step(state, pack, settings, 1, consumed_tokens=0)
    for name in ("fork", "posix_spawn"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr("_posixsubprocess.fork_exec", refuse)
    saver = CheckpointSaver(tmp_path, keep=1, in_background=in_background)
    saver.save(state, Progress(1))
    saver.finish()
    assert checkpoints_in(tmp_path)


@pytest.fixture
def slow_disk(monkeypatch) -> threading.Event:
    """Nothing is written before this event."""
    at_last, write = threading.Event(), checkpoint_writer.write_file
    monkeypatch.setattr(checkpoint_writer, "write_file", lambda *given: (at_last.wait(60), write(*given)))
    return at_last


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_save_in_the_background_has_the_state_of_its_step_however_far_training_has_gone(
    tiny_architecture, groups, pack, tmp_path, slow_disk, dtype
):
    settings = TrainSettings(**train_settings(method="ce", dtype=dtype))
    state = fresh_state(tiny_architecture, settings, groups)
    train_step(state, pack, settings, 1, consumed_tokens=0)
    saver = CheckpointSaver(tmp_path, keep=1, in_background=True)
    saver.save(state, Progress(1))
    results = []
    for step in (2, 3):
        results.append(train_step(state, pack, settings, step, consumed_tokens=0))
        saver.complete_if_written()
    assert not checkpoints_in(tmp_path)
    slow_disk.set()
    saver.finish()
    loaded = fresh_state(tiny_architecture, settings, groups)
    assert load_newest_checkpoint(tmp_path, loaded) == Progress(1)
    assert [train_step(loaded, pack, settings, step, consumed_tokens=0) for step in (2, 3)] == results
    for trained, again in zip(state.ddp.module.parameters(), loaded.ddp.module.parameters(), strict=True):
        assert torch.equal(trained, again)


def test_a_background_save_that_a_disk_refuses_is_one_line_and_leaves_the_one_before(
    tiny_architecture, groups, pack, tmp_path
):
    settings = TrainSettings(**train_settings(method="ce"))
    state = fresh_state(tiny_architecture, settings, groups)
    train_step(state, pack, settings, 1, consumed_tokens=0)
    saver = CheckpointSaver(tmp_path, keep=1, in_background=True)
    saver.save(state, Progress(1))
    saver.finish()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
    try:
        saver.save(state, Progress(2))
        with pytest.raises(InputError, match=r"step-00000002: cannot be written \(.*File too large.*\)") as refusal:
            saver.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert "\n" not in str(refusal.value)
    assert load_newest_checkpoint(tmp_path, fresh_state(tiny_architecture, settings, groups)) == Progress(1)
    saver.save(state, Progress(3))
    saver.finish()
    assert [path.name for path in tmp_path.glob("step-*")] == ["step-00000003"]
