"""One Snakemake at a time makes a run; what a killed one left behind is waited for and cleared away."""

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workflow.conftest import REPOSITORY
from workflow.sole_run import claim_run, locks_of, output_of

CLAIM_AND_WAIT = """
import sys
from workflow.sole_run import claim_run

claim = claim_run(sys.argv[1])
print("claimed", flush=True)
sys.stdin.read()
"""


def claimant(folder: Path, run: str, **environment: str) -> subprocess.Popen:
    """A process that claims a run and keeps it until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", CLAIM_AND_WAIT, run],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_second_claim_is_refused_in_one_line_that_names_the_first(tmp_path):
    first = claimant(tmp_path, "demo")
    assert first.stdout.readline() == "claimed\n"
    second = claimant(tmp_path, "demo")
    _, complaint = second.communicate(timeout=30)
    first.communicate(timeout=30)
    assert second.returncode == 2
    assert complaint.count("\n") == 1
    assert f"results/demo: Snakemake {first.pid} on " in complaint


def test_runs_of_two_names_do_not_hinder_each_other(tmp_path):
    claimants = [claimant(tmp_path, run) for run in ("demo", "other")]
    assert [one.stdout.readline() for one in claimants] == ["claimed\n", "claimed\n"]
    assert [one.communicate(timeout=30)[1] for one in claimants] == ["", ""]


def test_a_claim_ends_with_its_process_however_that_ends(tmp_path):
    killed = claimant(tmp_path, "demo")
    assert killed.stdout.readline() == "claimed\n"
    killed.kill()
    killed.wait()
    assert claimant(tmp_path, "demo").communicate(timeout=30) == ("claimed\n", "")


@pytest.fixture
def left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a Snakemake that was killed while Slurm job 17 made results/demo/tokenizer."""
    monkeypatch.chdir(tmp_path)
    locks, incomplete = tmp_path / ".snakemake/locks", tmp_path / ".snakemake/incomplete"
    locks.mkdir(parents=True)
    incomplete.mkdir()
    (locks / "0.output.lock").write_text("results/demo/tokenizer\n")
    (locks / "1.output.lock").write_text("results/other/tokenizer\n")
    marker = base64.urlsafe_b64encode(b"results/demo/tokenizer").decode()
    (incomplete / marker).write_text(json.dumps({"external_jobid": "17"}))
    return tmp_path


def put_squeue(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A Slurm that is reduced to one answer."""
    (folder / "squeue").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_the_jobs_of_a_killed_snakemake_are_waited_for_before_its_lock_is_removed(left_behind, monkeypatch, capsys):
    put_squeue(left_behind, monkeypatch, "cat state; echo '17 COMPLETED' > state")
    (left_behind / "state").write_text("17 RUNNING\n")
    monkeypatch.setattr("workflow.sole_run.POLL_SECONDS", 0.2)
    began = time.monotonic()
    claim_run("demo").close()
    assert time.monotonic() - began >= 0.2
    assert "Waiting for Slurm jobs of a Snakemake that was killed: 17" in capsys.readouterr().err
    assert [path.name for path in locks_of("results/")] == ["1.output.lock"]


def test_jobs_that_slurm_has_forgotten_are_over(left_behind, monkeypatch):
    put_squeue(left_behind, monkeypatch, "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    claim_run("demo").close()
    assert not locks_of("results/demo/")


def test_the_name_of_an_output_comes_back_from_its_marker():
    name = "results/demo/" + "long/" * 60
    encoded = base64.urlsafe_b64encode(name.encode()).decode()
    assert output_of(Path(f"@{encoded[:200]}") / encoded[200:]) == name
