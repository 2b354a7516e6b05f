"""The training command on one GPU: the same bytes twice, and after a kill."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.megatron_cdt.training.job import Job, make_job, model_folder, train_settings

SETTINGS = train_settings(dtype="bfloat16", steps=8, checkpoint_interval=2, deterministic=True)


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Job:
    """Packs, tokenizer and start checkpoint; heads as wide as fused attention wants them."""
    return make_job(tmp_path_factory.mktemp("job"), head_dim=16, hidden_size=64, ffn_hidden_size=96)


def results(run_folder: Path) -> dict[str, bytes]:
    """Every byte that a run promises to reproduce."""
    files = [run_folder / "metrics.jsonl", model_folder(run_folder) / "model.safetensors"]
    return {file.name: file.read_bytes() for file in files}


def train(job: Job, run_folder: Path) -> None:
    """The whole run, as a person types it."""
    process = job.launch(SETTINGS, run_folder)
    _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said


def kill_after_a_checkpoint(process: subprocess.Popen, run_folder: Path) -> None:
    """kill -9 once the first checkpoint has its name."""
    while process.poll() is None and not any(run_folder.glob("checkpoints/step-*[0-9]")):
        time.sleep(0.01)
    assert process.poll() is None, process.stderr.read()
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_deterministic_run_gives_the_same_bytes_twice_and_after_a_kill(job, tmp_path):
    train(job, tmp_path / "once")
    train(job, tmp_path / "twice")
    assert results(tmp_path / "once") == results(tmp_path / "twice")
    killed = job.launch(SETTINGS, tmp_path / "killed")
    kill_after_a_checkpoint(killed, tmp_path / "killed")
    train(job, tmp_path / "killed")
    assert results(tmp_path / "killed") == results(tmp_path / "once")
