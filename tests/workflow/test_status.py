"""Where a run is, from what lies in its folder, with and without a Snakemake at work."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workflow.conftest import REPOSITORY
from workflow import status
from workflow.status import RunStatus, plans, status_of, works_of


@pytest.fixture
def folder(finished_run, tmp_path, monkeypatch) -> Path:
    """A copy of a finished run, in which the test works."""
    copied = tmp_path / "copy"
    shutil.copytree(finished_run.folder, copied, symlinks=True)
    monkeypatch.chdir(copied)
    return copied


def told() -> RunStatus:
    (plan,) = plans("config/demo.yaml", [])
    return status_of(plan)


def record(folder: Path, log: str, process: int, **more) -> None:
    """The record of a job that has begun."""
    jobs = folder / "results/demo/records/jobs"
    jobs.mkdir(parents=True, exist_ok=True)
    begun = {"program": "megatron_cdt", "host": platform.node(), "log": log, "ended": None, "exit_code": None} | more
    (jobs / f"20990101T000000.000000-vm-{process}.json").write_text(json.dumps(begun))


def test_a_finished_run_is_finished_and_names_everything_that_its_rules_make(folder):
    said = told()
    assert said.finished
    assert (said.running, said.failed, said.seconds_left) == ([], [], 0.0)
    (plan,) = plans("config/demo.yaml", [])
    assert {work.stage for work in works_of(plan)} == {"data", "trainings", "samples", "answers", "scores", "report"}
    assert [work.log for work in works_of(plan) if not Path(work.log).is_file()] == []
    assert sum(work.stage == "scores" for work in works_of(plan)) == len(list(folder.glob("results/**/score.json")))


def test_what_is_taken_away_is_left_to_do(folder):
    shutil.rmtree("results/demo/models/cdt")
    score = next(folder.glob("results/demo/eval/**/score.json"))
    score.unlink()
    said = told()
    assert not said.finished
    assert said.stages["trainings"] == {"done": 2, "all": 3}
    assert said.stages["scores"]["done"] == said.stages["scores"]["all"] - 1


def test_a_job_at_work_is_running_and_a_killed_one_is_not(folder):
    shutil.rmtree("results/demo/models/cdt")
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)  # megatron_cdt"])
    record(folder, "results/demo/logs/train/cdt.log", process.pid)
    assert told().running[0].startswith("cdt (")
    process.kill()
    process.wait()
    assert told().running == []


def test_a_job_of_another_machine_runs_while_its_log_grows(folder):
    shutil.rmtree("results/demo/models/cdt")
    log = Path("results/demo/logs/train/cdt.log")
    record(folder, str(log), 1, host="node17")
    log.write_text("step 1")
    assert len(told().running) == 1
    long_ago = time.time() - status.SILENT - 1
    os.utime(log, (long_ago, long_ago))
    assert told().running == []


def test_a_failed_job_is_told_with_its_error_and_its_log_and_one_that_was_stopped_is_not(folder):
    shutil.rmtree("results/demo/models/cdt")
    log = "results/demo/logs/train/cdt.log"
    ended = {"ended": "2099-01-01T00:00:01Z", "seconds": 1.0, "gpus": 2}
    record(folder, log, 1, **ended, exit_code=2, error="--data packs: no such folder")
    said = told()
    assert said.failed == [f"cdt: --data packs: no such folder (log: {log})"]
    assert said.gpu_hours == pytest.approx(2 / 3600)
    record(folder, log, 1, **ended, exit_code=75)
    assert told().failed == []


def test_what_is_left_is_told_by_the_times_so_far(folder):
    shutil.rmtree("results/demo/models/cdt")
    (plan,) = plans("config/demo.yaml", [])
    steps = plan.train_settings("cdt")["steps"]
    run_folder = Path(plan.run_folder("cdt"))
    run_folder.mkdir(parents=True, exist_ok=True)
    lines = [{"step": step, "milliseconds": 2000.0} for step in range(1, 11)]
    (run_folder / "timing.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    for other in ("ce", "longce"):
        (Path(plan.run_folder(other)) / "timing.jsonl").unlink(missing_ok=True)
    assert told().seconds_left == pytest.approx((steps - 10) * 2.0)


def test_the_command_prints_a_table_or_json_and_refuses_a_run_that_is_none(folder):
    command = [sys.executable, "-m", "workflow.status", "--configfile", "config/demo.yaml"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}

    def ask(*more):
        return subprocess.run([*command, *more], capture_output=True, text=True, env=environment)

    assert ask().stdout.startswith("demo: finished\n")
    assert json.loads(ask("--json").stdout)[0]["run"] == "demo"
    refused = ask("other")
    assert refused.returncode == 2
    assert refused.stderr == "error: other: no run of config/demo.yaml; its runs: demo\n"
