"""Who trained which steps, which records are one attempt, and what Slurm's accounting says of a job."""

import csv
import json

import pytest

from workflow.audit.jobs import accounting_of, benchmark_of, jobs_table, rule_of
from workflow.audit.lineage import attempts
from workflow.audit.run import Run

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


def record(folder, start, node, **more):
    """A record of a training on one of two nodes."""
    slurm = {"SLURM_JOB_ID": "7", "SLURM_NNODES": "2", "SLURM_NODEID": str(node)}
    job = {"program": "megatron_cdt", "arguments": ["train", "--output", "results/r/models/cdt"], "exit_code": 0}
    job |= {"started": f"2026-01-01T00:00:{start:02d}.000Z", "ended": f"2026-01-01T00:01:{start:02d}.000Z", "gpus": 4}
    job |= {"seconds": 60.0, "cpu_seconds": 30.0, "host": f"n{node}", "peak_memory_bytes": (node + 1) * 2**20}
    path = folder / f"records/jobs/{start:02d}-n{node}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(job | {"slurm": slurm} | more))


def table_of(folder):
    return list(csv.DictReader(jobs_table(Run(folder, "results/r"), {}).splitlines(), delimiter="\t"))


def test_the_nodes_of_a_training_are_one_attempt_whichever_began_first(tmp_path):
    record(tmp_path, 1, node=1)
    record(tmp_path, 2, node=0)
    [attempt] = table_of(tmp_path)
    assert (attempt["attempt"], attempt["host"], attempt["gpus"], attempt["exit_code"]) == ("1", "n0,n1", "8", "0")
    assert float(attempt["gpu_hours"]) == pytest.approx(8 / 60)
    assert (attempt["peak_memory_mib"], attempt["cpu_seconds"]) == ("2.0", "60.0")
    assert (attempt["started"][-7:], attempt["ended"][-7:]) == ("01.000Z", "02.000Z")


def test_a_node_that_comes_again_is_another_attempt(tmp_path):
    for start, node in enumerate((0, 1, 1, 0)):
        killed = {"ended": None, "exit_code": None} if start == 1 else {}
        record(tmp_path, start, node, **killed)
    first, second = table_of(tmp_path)
    assert (first["attempt"], first["exit_code"], first["ended"], first["gpu_hours"]) == ("1", "", "", "")
    assert (second["attempt"], second["exit_code"], second["host"]) == ("2", "0", "n0,n1")


def test_a_failed_node_is_the_attempt_s_exit_code(tmp_path):
    record(tmp_path, 1, node=0)
    record(tmp_path, 2, node=1, exit_code=75)
    [attempt] = table_of(tmp_path)
    assert attempt["exit_code"] == "75"
