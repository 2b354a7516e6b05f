"""Whose run a folder is, who may write it, and records that end where the checkpoint does."""

import json
import multiprocessing

import pytest

from contracts.errors import InputError
from megatron_cdt.training import run_folder as module
from megatron_cdt.training.run_folder import Record, WriterLock, claim_run_folder, cut_records_back

OURS = {"settings": {"seed": 1}, "data": "abc"}
THEIRS = {"settings": {"seed": 2}, "data": "abc"}


@pytest.fixture
def folder(tmp_path):
    """A run folder that was begun as OURS and has no writer."""
    claim_run_folder(tmp_path / "run", {"seed": 1}, OURS, "refuse").release()
    return tmp_path / "run"


def test_the_same_run_may_go_on(folder):
    claim_run_folder(folder, {"seed": 1}, OURS, "refuse").release()


def test_another_run_is_refused_and_told_what_differs(folder):
    with pytest.raises(InputError, match=r"settings\.seed: 1 -> 2.*set-aside"):
        claim_run_folder(folder, {"seed": 2}, THEIRS, "refuse")
    assert json.loads((folder / "fingerprint.json").read_text()) == OURS


def test_set_aside_keeps_the_old_run_beside_the_new_one(folder):
    (folder / "metrics.jsonl").write_text("kept")
    claim_run_folder(folder, {"seed": 2}, THEIRS, "set-aside").release()
    (old,) = folder.parent.glob("run.set-aside-????????")
    assert (old / "metrics.jsonl").read_text() == "kept"
    assert not (folder / "metrics.jsonl").exists()
    assert json.loads((folder / "fingerprint.json").read_text()) == THEIRS


def test_setting_aside_the_same_run_twice_keeps_both(folder):
    for fingerprint in (THEIRS, OURS, THEIRS):
        claim_run_folder(folder, {}, fingerprint, "set-aside").release()
    assert len(list(folder.parent.glob("run.set-aside-*"))) == 3


def test_a_run_whose_code_alone_changed_goes_on_when_asked_and_keeps_both_codes_in_its_fingerprint(tmp_path):
    first, second, third = ({**OURS, "code": code} for code in ("a", "b", "c"))
    claim_run_folder(tmp_path, {}, first, "refuse").release()
    with pytest.raises(InputError, match=r"code: 'a' -> 'b'.*--if-changed go-on"):
        claim_run_folder(tmp_path, {}, second, "refuse")
    for fingerprint in (second, second, third):
        claim_run_folder(tmp_path, {}, fingerprint, "go-on").release()
    claim_run_folder(tmp_path, {}, third, "refuse").release()
    assert json.loads((tmp_path / "fingerprint.json").read_text()) == {**third, "earlier_code": ["a", "b"]}


def test_go_on_refuses_what_is_more_than_another_code(folder):
    with pytest.raises(InputError, match="choose another --run-folder") as refusal:
        claim_run_folder(folder, {}, {**THEIRS, "code": "b"}, "go-on")
    assert "go-on" not in str(refusal.value)
    assert json.loads((folder / "fingerprint.json").read_text()) == OURS


@pytest.fixture
def writer(folder):
    """Another process that writes the folder."""
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=hold_until_killed, args=(folder, ready))
    process.start()
    assert ready.wait(60)
    yield process
    process.kill()
    process.join()


def hold_until_killed(folder, ready):
    lock = WriterLock(folder)
    ready.set()
    multiprocessing.Event().wait()
    lock.release()


def test_one_training_at_a_time_writes_a_folder(folder, writer, monkeypatch):
    monkeypatch.setattr(module, "LOCK_PATIENCE_SECONDS", 0.1)
    with pytest.raises(InputError, match="another training writes here"):
        claim_run_folder(folder, {"seed": 1}, OURS, "refuse")


def test_a_killed_writer_holds_nothing(folder, writer):
    writer.kill()
    writer.join()
    claim_run_folder(folder, {"seed": 1}, OURS, "refuse").release()


def test_records_are_cut_back_to_the_checkpoint_and_a_torn_line_is_dropped(folder):
    lines = [json.dumps({"step": step, "loss": 1 / step}) + "\n" for step in range(1, 6)]
    (folder / "metrics.jsonl").write_text("".join(lines) + '{"step": 6, "lo')
    (folder / "validation.jsonl").write_text('{"step": 2}\n{"step": 4}\n')
    cut_records_back(folder, 3)
    assert (folder / "metrics.jsonl").read_text() == "".join(lines[:3])
    assert (folder / "validation.jsonl").read_text() == '{"step": 2}\n'


def test_records_that_lack_a_step_are_refused(folder):
    (folder / "metrics.jsonl").write_text('{"step": 1}\n')
    with pytest.raises(InputError, match="steps are missing before 2"):
        cut_records_back(folder, 2)


def test_a_record_keeps_every_bit_of_a_number_and_refuses_what_is_none(tmp_path):
    record = Record(tmp_path / "metrics.jsonl")
    record.append({"step": 1, "loss": 0.1 + 0.2})
    with pytest.raises(ValueError, match="not JSON compliant"):
        record.append({"step": 2, "loss": float("nan")})
    record.close()
    assert json.loads((tmp_path / "metrics.jsonl").read_text())["loss"] == 0.1 + 0.2
