"""A machine without a scheduler: every job has GPUs of its own. Names stand in for GPUs."""

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from workflow.devices import on_devices

# Says which devices it has, and keeps them until its input ends.
HOLD = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True); input()"
# An evaluation of a moment that notes on which devices it was, from when until when.
NOTED = """
import os, sys, time
from pathlib import Path

output = Path(sys.argv[sys.argv.index("--output") + 1])
begun = time.time()
time.sleep(0.5)
output.write_text(f"{os.environ.get('CUDA_VISIBLE_DEVICES')} {begun} {time.time()}")
"""


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with three devices, and locks of its own."""
    return os.environ | {"CUDA_VISIBLE_DEVICES": "4,7,MIG-9", "TMPDIR": str(tmp_path)}


def start(machine: dict[str, str], count: int) -> subprocess.Popen:
    command = [sys.executable, "-m", "workflow.devices", str(count), sys.executable, "-c", HOLD]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=machine, text=True, **pipes)


def devices(holder: subprocess.Popen) -> list[str]:
    return holder.stdout.readline().strip().split(",")


def test_commands_at_the_same_time_have_different_devices_and_one_too_many_waits(machine):
    holders = [start(machine, 1), start(machine, 2)]
    taken = [name for holder in holders for name in devices(holder)]
    assert sorted(taken) == ["4", "7", "MIG-9"]
    late = start(machine, 2)
    time.sleep(2)
    assert late.poll() is None
    holders[1].kill()
    assert len(devices(late)) == 2
    for holder in (*holders, late):
        holder.communicate("")


def test_more_devices_than_there_are_is_one_line_with_the_cure(machine):
    told = start(machine, 4)
    _, complaint = told.communicate(timeout=240)
    assert told.returncode == 2
    assert complaint == (
        "error: 4 GPUs are asked for and there are 3 (4, 7, MIG-9); change `gpu` in the profile's set-resources\n"
    )


def test_a_job_without_gpus_or_of_slurm_is_left_alone(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert on_devices({}) == ""
    assert on_devices({"gpu": 2}) == "python -m workflow.devices 2 "
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert on_devices({"gpu": 2}) == ""


def test_concurrent_evaluations_never_share_a_device(project, machine):
    for file in project.folder.glob("results/demo/eval/*/*/*/*/*/*"):
        file.unlink()
    (project.folder / "eval/__main__.py").write_text(NOTED, encoding="utf-8")
    (project.folder / "megatron_cdt/__main__.py").write_text(NOTED, encoding="utf-8")
    given = {name: machine[name] for name in ("CUDA_VISIBLE_DEVICES", "TMPDIR")}
    ended = project.snakemake(
        *("--profile", "local", "--configfile", "config/demo.yaml", "--cores", "6"),
        *("--resources", "mem_mb=99000", "gpu=3"),
        *("--set-resources", "generate:gpu=1", "detect_critical_tokens:gpu=1", "--", "evaluate"),
        **given,
    )
    assert ended.returncode == 0, ended.stdout[-3000:]
    uses = [file.read_text().split() for file in project.folder.glob("results/demo/eval/**/predictions.jsonl")]
    assert {device for device, _, _ in uses} == {"4", "7", "MIG-9"}
    for device in ("4", "7", "MIG-9"):
        times = sorted((float(begun), float(done)) for name, begun, done in uses if name == device)
        assert all(done <= begun for (_, done), (begun, _) in itertools.pairwise(times))
