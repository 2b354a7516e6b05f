"""The literal `snakemake --profile slurm` on a real Slurm: the whole workflow, a training on two nodes, and failures.

Whatever happens to a run (tests/slurm/scenarios.py), it ends with the bytes of the undisturbed one, and nothing that is
finished is done again.
"""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from tests.slurm import scenarios as happens
from tests.slurm.scenarios import BESIDE, CHECKPOINT, play
from tests.slurm.site import Clone

AT_ONCE = 3


@pytest.fixture(scope="module")
def scenarios(undisturbed: Clone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Callable], Clone]]:
    """scenarios(one) returns its copy of the run when it is over; those that strike the whole cluster happen alone."""
    folder = tmp_path_factory.mktemp("slurm-failures")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        beside = {scenario: pool.submit(play, scenario, undisturbed, folder) for scenario in BESIDE}

        def outcome(scenario: Callable[[Clone], None]) -> Clone:
            if scenario in beside:
                return beside[scenario].result()
            wait(beside.values())
            return play(scenario, undisturbed, folder)

        yield outcome


def test_the_whole_workflow_runs(undisturbed: Clone):
    assert (undisturbed.results / "report.html").is_file()
    assert json.loads((undisturbed.results / "report.json").read_text())
    assert set(undisturbed.states("rule_")) == {"COMPLETED"}


def test_context_ranks_of_a_training_are_on_two_nodes(undisturbed: Clone):
    [(job, _)] = [job for job in undisturbed.jobs("train_method") if "ce" in comment_of(undisturbed, job[0])]
    described = undisturbed.cluster.say("scontrol", "show", "job", job)
    assert re.search(r"NodeList=node\[?\d[-,]\d\]?\s", described)
    assert "NumTasks=2" in described
    assert (
        json.loads(next(undisturbed.results.glob("train/ce/run-*/settings.json")).read_text())["layout"]["context"] == 2
    )


def test_cells_of_the_evaluation_share_a_slurm_job_with_those_of_the_same_model(undisturbed: Clone):
    cells = [path.relative_to(undisturbed.results).parts[1:3] for path in undisturbed.results.rglob("score.json")]
    assert len(cells) == 4
    comments = [comment_of(undisturbed, job).strip() for job, _ in undisturbed.jobs("evaluate")]
    assert sorted({re.search(r"evaluate_(\w+?)_(?:generate|detect)", said)[1] for said in comments}) == sorted(
        {"_".join(cell) for cell in cells}
    )
    assert len(comments) == len(set(cells))


def test_squeue_says_which_rule_and_cell_a_job_is(undisturbed: Clone):
    [(job, _)] = [job for job in undisturbed.jobs("train_method") if "ce" in comment_of(undisturbed, job[0])]
    named = undisturbed.cluster.say("squeue", "--noheader", "--states=all", "--format=%j %k", f"--jobs={job}")
    assert re.fullmatch(r"cdt_\S+ rule_train_method_wildcards_ce\s*", named)


def test_a_finished_run_has_nothing_to_do(undisturbed: Clone):
    undisturbed.run()
    assert "Nothing to be done" in undisturbed.said()


def test_a_cancelled_training_goes_on_from_where_the_signal_met_it(scenarios, undisturbed):
    clone = scenarios(happens.cancelled)
    assert clone.states("train_method") == ["CANCELLED", "COMPLETED"]
    assert went_on_after(clone) >= CHECKPOINT + 2
    assert "stopped on a signal" in (clone.results / "logs/train/ce.log.attempt-1").read_text()
    assert clone.digests() == undisturbed.digests()


def test_a_training_near_its_time_limit_saves_ends_with_75_and_goes_on_in_another_job(scenarios, undisturbed):
    clone = scenarios(happens.out_of_time)
    assert clone.states("train_method") == ["FAILED", "COMPLETED"]
    assert "(exit code 75)" in clone.said()
    assert went_on_after(clone) >= CHECKPOINT + 2
    assert clone.digests() == undisturbed.digests()


def test_a_killed_snakemake_leaves_its_training_to_the_next_and_two_at_once_are_refused(scenarios, undisturbed):
    clone = scenarios(happens.snakemake_killed)
    [refusal] = [line for line in clone.said().splitlines() if line.startswith("error: ")]
    assert "works here" in refusal
    assert clone.states("train_method") == ["COMPLETED"]
    assert clone.digests() == undisturbed.digests()


def test_one_node_gives_the_bytes_of_two(scenarios, undisturbed):
    clone = scenarios(happens.on_one_node)
    assert clone.states("train_method") == ["COMPLETED"]
    assert clone.digests() == undisturbed.digests()


def test_the_launcher_of_torch_trains_the_same_bytes_on_two_nodes(scenarios, undisturbed):
    clone = scenarios(happens.by_the_launcher_of_torch)
    expected = undisturbed.digests()
    del expected["models/ce/.snakemake_timestamp"]  # by hand, Snakemake leaves no mark
    assert clone.digests() == expected


def test_an_audit_speaks_of_slurm_s_jobs_and_is_verified(scenarios):
    clone = scenarios(happens.audited)
    folder = clone.results / "audit"
    with open(folder / "jobs.tsv", encoding="utf-8") as table:
        jobs = [job for job in csv.DictReader(table, delimiter="\t") if job["slurm_job_id"]]
    assert {job["sacct_state"] for job in jobs} == {"COMPLETED"}
    trainings = [job for job in jobs if job["command"] == "megatron_cdt train"]
    assert all(re.fullmatch(r"node\[\d[-,]\d\]", job["slurm_nodes"]) for job in trainings)
    assert {job["rule"] for job in trainings} == {"train"}
    assert all(float(job["benchmark_seconds"]) > 0 for job in trainings)
    verified = subprocess.run(
        [sys.executable, "-m", "workflow.audit", "verify", folder], cwd=clone.folder, capture_output=True, text=True
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_an_evaluation_without_enough_memory_is_tried_again_with_more(scenarios, undisturbed):
    clone = scenarios(happens.out_of_memory)
    assert clone.states("evaluate") == ["FAILED", "FAILED", "COMPLETED", "COMPLETED"]  # one group for each way
    assert clone.digests() == undisturbed.digests()


def test_bad_input_is_tried_once_and_told_once_at_the_end_with_the_logs(scenarios):
    clone = scenarios(happens.bad_input)
    assert set(clone.states("evaluate")) == {"FAILED"}
    assert len(clone.jobs("evaluate")) == len({comment_of(clone, job) for job, _ in clone.jobs("evaluate")})
    [complaint] = clone.complaints()
    assert "512.jsonl" in complaint
    assert "(log: results/tiny/logs/generate/" in complaint


def test_a_full_disk_costs_the_work_since_the_last_checkpoint(scenarios, undisturbed):
    clone = scenarios(happens.disk_full)
    states = clone.states("train_method")
    assert states[0] == "FAILED"
    assert states[-1] == "COMPLETED"
    assert went_on_after(clone) == CHECKPOINT
    assert clone.digests() == undisturbed.digests()


def test_a_restarted_controller_disturbs_nobody(scenarios, undisturbed):
    clone = scenarios(happens.controller_restarted)
    assert clone.states("train_method") == ["COMPLETED"]
    assert clone.digests() == undisturbed.digests()


def test_a_dead_node_is_left_out_of_the_next_attempt(scenarios, undisturbed):
    clone = scenarios(happens.node_dies)
    assert clone.states("train_method") == ["NODE_FAIL", "COMPLETED"]
    assert went_on_after(clone) == CHECKPOINT
    assert clone.digests() == undisturbed.digests()


def test_a_training_on_all_nodes_waits_for_one_that_died_and_goes_on(scenarios):
    clone = scenarios(happens.last_node_of_all_dies)
    assert clone.states("train_method") == ["NODE_FAIL", "COMPLETED"]
    assert went_on_after(clone) == CHECKPOINT


def test_a_folder_with_spaces_quotes_and_dollars_gives_the_same_bytes(scenarios, undisturbed):
    clone = scenarios(happens.in_a_strange_place)
    assert "COMPLETED" in clone.states("train_method")
    assert clone.digests() == undisturbed.digests()


def went_on_after(clone: Clone) -> int:
    """The step after which the last attempt of the training went on; 0 where it began anew."""
    told = re.search(r"going on after step (\d+)", clone.log_of_training())
    return int(told[1]) if told else 0


def comment_of(clone: Clone, job: str) -> str:
    """What Snakemake says that a Slurm job is."""
    return clone.cluster.say("squeue", "--noheader", "--states=all", "--format=%k", f"--jobs={job}")
