"""Who trained which steps, and what Slurm's accounting says of a job."""

import json

import pytest

from workflow.audit.jobs_table import accounting_of, benchmark_of, rule_of
from workflow.audit.run import Run
from workflow.audit.training import attempts

SACCT = """17|COMPLETED|120||cpu=4,gres/gpu=2,mem=8G,node=2|n[1-2]
17.batch|COMPLETED|120|900K|cpu=2,mem=4G,node=1|n1
17.0|COMPLETED|118|2M|cpu=4,mem=8G,node=2|n[1-2]
18|FAILED|3||cpu=1,node=1|n1
"""


def event(kind, step, **more):
    line = {"event": kind, "step": step, "time": f"t{step}", "hosts": ["a"], "processes": 1}
    return line | {"slurm_job_id": None, "slurm_restart_count": None} | more


def test_steps_that_a_killed_attempt_lost_are_those_of_the_next(tmp_path):
    events = [event("start", 0), event("start", 40, hosts=["b"], slurm_job_id="18"), event("end", 100, hosts=["b"])]
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in events))
    killed, finished = attempts(tmp_path)
    assert (killed["first_step"], killed["last_step"], killed["ended"], killed["hosts"]) == (1, 40, "killed", ["a"])
    assert (finished["first_step"], finished["last_step"], finished["ended"]) == (41, 100, "orderly")
    assert finished["slurm_job_id"] == "18"


def test_a_training_without_a_history_has_no_attempts(tmp_path):
    assert attempts(tmp_path) == []


def test_the_memory_of_a_slurm_job_is_that_of_its_largest_step():
    jobs = accounting_of(SACCT)
    assert jobs["17"]["MaxRSS"] == "2M"
    assert jobs["17"]["AllocTRES"].startswith("cpu=4,gres/gpu=2")
    assert jobs["17"]["NodeList"] == "n[1-2]"
    assert jobs["18"]["State"] == "FAILED"
    assert jobs["18"]["MaxRSS"] == ""


@pytest.mark.parametrize("log", ["results/r/logs/train/cdt.log", None], ids=["a file", "a pipe to srun"])
def test_a_training_has_its_rule_and_benchmark_whether_or_not_srun_started_it(tmp_path, log):
    (tmp_path / "benchmarks/train").mkdir(parents=True)
    (tmp_path / "benchmarks/train/cdt.tsv").write_text("s\tmax_rss\n3.5\t100.2\n")
    run = Run(tmp_path, "results/r")
    job = {"log": log, "arguments": ["train", "--output", "results/r/models/cdt"]}
    assert rule_of(run, job) == "train"
    assert benchmark_of(run, job) == {"s": "3.5", "max_rss": "100.2"}
