"""A signal while a training starts: it ends with 75 whatever it was at, and the same command then trains as ever."""

import itertools
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from megatron_cdt.stop_signals import RESUME_EXIT_CODE
from tests.megatron_cdt.training.job import Job, train_settings

# Seconds from the first line of Python on: while the command is imported, the processes are started, and they import.
MOMENTS = (0.0, 0.05, 0.3, 1.0, 2.0, 3.0, 5.0)
LAYOUTS = {"one process": {}, "two processes": {"layout": {"processes": 2, "context": 2}}}


def catches(process: subprocess.Popen, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = re.search(r"^SigCgt:\s*(\w+)", status, flags=re.MULTILINE)
    return bool(caught and int(caught[1], 16) >> (number - 1) & 1)


def signalled(job: Job, settings: dict, run_folder: Path, number: signal.Signals, delay: float) -> tuple[int, str]:
    """Exit code and words of a training that gets a signal `delay` seconds after its first line of Python."""
    process = job.launch(settings, run_folder)
    while process.poll() is None and not catches(process, number):
        time.sleep(0.001)
    assert "libtorch" not in Path(f"/proc/{process.pid}/maps").read_text(), "it listens only after the heavy imports"
    time.sleep(delay)
    process.send_signal(number)
    return ended(process)


def ended(process: subprocess.Popen) -> tuple[int, str]:
    """Exit code and words of a training that has been asked to stop."""
    try:
        _, said = process.communicate(timeout=240)
        return process.returncode, said
    finally:
        process.kill()


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_signal_at_any_early_moment_ends_a_training_with_75_and_it_goes_on(job, tmp_path, layout):
    settings = train_settings(steps=4000, checkpoint_interval=4000, validation_interval=None, **layout)
    run_folder = tmp_path / "run"
    for delay, number in zip(MOMENTS, itertools.cycle((signal.SIGUSR1, signal.SIGTERM)), strict=False):
        code, said = signalled(job, settings, run_folder, number, delay)
        assert code == RESUME_EXIT_CODE, f"{number.name} after {delay} s: {said}"
        assert "stopped on a signal" in said
    assert steps_of_the_next_attempt(job, settings, run_folder) >= 3


def steps_of_the_next_attempt(job: Job, settings: dict, run_folder: Path) -> int:
    """How many steps the same command adds to those that are saved, before it is asked to stop."""
    metrics, before = run_folder / "metrics.jsonl", saved_steps(run_folder)
    process, deadline = job.launch(settings, run_folder), time.monotonic() + 240
    while time.monotonic() < deadline and not (metrics.is_file() and metrics.read_text().count("\n") >= before + 3):
        time.sleep(0.01)
    process.send_signal(signal.SIGUSR1)
    code, said = ended(process)
    assert code == RESUME_EXIT_CODE, said
    return saved_steps(run_folder) - before


def saved_steps(run_folder: Path) -> int:
    """The step of the newest checkpoint; 0 where there is none."""
    return max((int(path.name.split("-")[1]) for path in run_folder.glob("checkpoints/step-*")), default=0)
