"""One Snakemake at a time works in a folder; what a killed one left behind is waited for and cleared away."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workflow.conftest import REPOSITORY

CLAIM_AND_WAIT = """
import sys
from workflow import sole_run

sole_run.POLL_SECONDS, sole_run.PATIENCE_SECONDS = 0.2, 1.0
claim = sole_run.claim_folder()
print("claimed", flush=True)
sys.stdin.read()
"""


def claimant(folder: Path, **environment: str) -> subprocess.Popen:
    """A process that claims a folder and keeps it until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", CLAIM_AND_WAIT],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_second_claim_is_refused_in_one_line_that_names_the_first(tmp_path):
    first = claimant(tmp_path)
    assert first.stdout.readline() == "claimed\n"
    second = claimant(tmp_path)
    _, complaint = second.communicate(timeout=30)
    first.communicate(timeout=30)
    assert second.returncode == 2
    assert complaint.count("\n") == 1
    assert f"{tmp_path}: Snakemake {first.pid} on " in complaint


def test_a_claim_ends_with_its_process_however_that_ends(tmp_path):
    killed = claimant(tmp_path)
    assert killed.stdout.readline() == "claimed\n"
    killed.kill()
    killed.wait()
    assert claimant(tmp_path).communicate(timeout=30) == ("claimed\n", "")


@pytest.fixture
def left_behind(tmp_path: Path) -> Path:
    """The working folder of a Snakemake that was killed."""
    locks = tmp_path / ".snakemake/locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text("results/demo/tokenizer\n")
    return tmp_path


def slurm_that_says(folder: Path, script: str) -> dict[str, str]:
    """The environment of a machine whose squeue is this shell script; scancel notes what it is given."""
    for name, text in {"squeue": script, "scancel": f"echo $@ >> {folder}/cancelled"}.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_running_jobs_are_waited_for_and_pending_ones_cancelled_before_the_lock_is_removed(left_behind):
    (left_behind / "state").write_text(f"17|RUNNING|{left_behind}\n18|PENDING|{left_behind}\n19|RUNNING|/elsewhere\n")
    slurm = slurm_that_says(left_behind, "cat state; : > state")
    began = time.monotonic()
    told, complaint = claimant(left_behind, **slurm).communicate(timeout=30)
    assert time.monotonic() - began >= 0.2
    assert told == "claimed\n"
    assert complaint == "Waiting for Slurm jobs of a Snakemake that was killed: 17 (scancel ends them)\n"
    assert (left_behind / "cancelled").read_text() == "18\n"
    assert not (left_behind / ".snakemake/locks").exists()


def test_while_slurm_is_silent_nothing_is_known_and_the_lock_stays(left_behind):
    process = claimant(left_behind, **slurm_that_says(left_behind, "exit 1"))
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "Slurm does not answer" in complaint
    assert (left_behind / ".snakemake/locks").exists()


def test_a_machine_without_a_cluster_has_no_jobs_to_wait_for(left_behind):
    slurm = slurm_that_says(left_behind, "echo 'squeue: fatal: Could not establish a configuration source' >&2; exit 1")
    assert claimant(left_behind, **slurm).communicate(timeout=30) == ("claimed\n", "")
    assert not (left_behind / ".snakemake/locks").exists()
