"""The literal `snakemake --profile slurm` on a real Slurm: the whole workflow, a training on two nodes, and failures.

Whatever happens to a run, it ends with the bytes of the undisturbed one, and nothing finished is done again. Each
scenario works in a copy of the undisturbed run that lacks some results. They run at the same time, except those that
strike the cluster as a whole. A training is held (SIGSTOP) while something happens to it, so that no test depends on
how fast this machine is.
"""

import contextlib
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import psutil
import pytest
import yaml

from tests.slurm.site import Clone, go_on, has_met, until
from tests.workflow.test_strange_places import STRANGE_ON_A_CLUSTER

AT_ONCE = 3
TRAINING = ("models/ce", "train/ce")
ANSWERS = ("eval/ce",)
CHECKPOINT = 8  # the interval of tiny.yaml, in steps
BY_HAND = """#!/bin/sh
#SBATCH --nodes=2 --ntasks=2 --cpus-per-task=1 --mem=3000 --output=by-hand.log
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun python -m torch.distributed.run --nnodes=2 --nproc-per-node=1 --rdzv-backend=c10d \\
    --rdzv-endpoint="$first:$((20000 + SLURM_JOB_ID % 10000))" --rdzv-id="$SLURM_JOB_ID" \\
    -m megatron_cdt {arguments}
"""


def cancelled(clone: Clone) -> None:
    """Somebody cancels the training's job."""
    clone.forget(*TRAINING)
    snakemake = clone.start("train")
    trainers = clone.hold_training(snakemake, CHECKPOINT + 2)
    [(job, _)] = clone.jobs("train_method")
    clone.cluster.say("scancel", job)
    until(lambda: has_met(trainers[0], signal.SIGTERM), "the signal of scancel")
    go_on(trainers)
    clone.finish(snakemake)


def out_of_time(clone: Clone) -> None:
    """The training's job comes close to its time limit: the two minutes of the profile's --signal are left of it."""
    clone.forget(*TRAINING)
    snakemake = clone.start("train")
    trainers = clone.hold_training(snakemake, CHECKPOINT + 2)
    [(job, _)] = clone.jobs("train_method")
    spent = -(-clone.seconds_of(job) // 60)
    clone.cluster.say("scontrol", "update", f"JobId={job}", f"TimeLimit={spent + 2}")
    until(lambda: has_met(trainers[0], signal.SIGUSR1), "the signal before the time limit")
    go_on(trainers)
    clone.finish(snakemake)


def snakemake_killed(clone: Clone) -> None:
    """A second Snakemake is refused; the first is killed; a third takes over while the training still runs."""
    clone.forget(*TRAINING)
    snakemake = clone.start("train")
    trainers = clone.hold_training(snakemake, CHECKPOINT + 2)
    assert clone.start("train").wait(timeout=240) == 2
    snakemake.kill()
    snakemake.wait()
    third = clone.start("train")
    until(lambda: "Waiting for Slurm jobs" in clone.said(), "the third Snakemake")
    go_on(trainers)
    clone.finish(third)


def on_one_node(clone: Clone) -> None:
    """Nothing happens, but the profile gives the training one node."""
    clone.forget(*TRAINING)
    clone.adapt_profile({"set-resources": {"train_method": {"mpi": "''", "nodes": 1, "tasks": 1, "cpus_per_task": 2}}})
    clone.run("train")


def by_the_launcher_of_torch(clone: Clone) -> None:
    """The training's command by hand: `srun` starts torch.distributed.run on two nodes in place of our launcher."""
    clone.forget(*TRAINING)
    planned = clone.start("train", "--dry-run")
    assert planned.wait(timeout=240) == 0, clone.said()[-6000:]
    [arguments] = re.findall(r"-m megatron_cdt (train .*) --if-changed", clone.said())
    script = clone.folder / "by-hand.sh"
    script.write_text(BY_HAND.format(arguments=arguments), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(clone.folder)}
    subprocess.run(["sbatch", "--wait", script], cwd=clone.folder, env=environment, check=True, timeout=900)


def audited(clone: Clone) -> None:
    """`snakemake audit` of the finished run."""
    clone.run("audit")


def out_of_memory(clone: Clone) -> None:
    """An evaluation gets less memory than it needs, and more at every attempt."""
    clone.forget(*ANSWERS, "report.*")
    less = {"mem_mb": "300 * attempt ** 2"}
    clone.adapt_profile({"set-resources": dict.fromkeys(("generate", "detect_critical_tokens", "score"), less)})
    clone.run()


def disk_full(clone: Clone) -> None:
    """The file system of the results has no space left until the training has failed.

    Where even the record of the failure finds no room, Snakemake knows no reason not to try again.
    """
    clone.forget(*TRAINING)
    ballast = clone.folder / "results/ballast"
    with small_disk(clone.folder / "results"):
        snakemake = clone.start("train")
        trainers = clone.hold_training(snakemake, CHECKPOINT + 2)
        fill(ballast)
        go_on(trainers)
        until(lambda: "FAILED" in clone.states("train_method"), "the training to fail")
        ballast.unlink()
        if snakemake.wait(timeout=900):
            clone.run("train")


def bad_input(clone: Clone) -> None:
    """The samples that the cells of both models read are damaged."""
    (clone.results / "samples/ruler/niah_single_1/512.jsonl").write_text("{\n")
    assert clone.start("evaluate").wait(timeout=900) == 1


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Let a folder lie on a file system of 64 MB."""
    outside = folder.with_name("outside")
    folder.rename(outside)
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    try:
        shutil.copytree(outside, folder, dirs_exist_ok=True)
        yield
        shutil.rmtree(outside)
        shutil.copytree(folder, outside)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()
        outside.rename(folder)


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with open(path, "wb", buffering=0) as handle:
        try:
            while handle.write(bytes(4096)):
                pass
        except OSError:
            return


def controller_restarted(clone: Clone) -> None:
    """slurmctld is away for ten seconds."""
    clone.forget(*TRAINING)
    snakemake = clone.start("train")
    trainers = clone.hold_training(snakemake, CHECKPOINT + 2)
    os.kill(clone.cluster.process_of("slurmctld"), signal.SIGKILL)
    time.sleep(10)
    subprocess.run(["/usr/sbin/slurmctld"], check=True)
    go_on(trainers)
    clone.finish(snakemake)


def node_dies(clone: Clone) -> None:
    """Everything on the second node of the training is gone, slurmd first; the node stays away."""
    clone.forget(*TRAINING)
    snakemake = clone.start("train")
    trainers = clone.hold_training(snakemake, CHECKPOINT + 2)
    node = trainers[1].environ()["SLURMD_NODENAME"]
    kill_node(clone, node, trainers[1])
    go_on(trainers[:1])
    clone.finish(snakemake)
    start_node(clone, node)


def last_node_of_all_dies(clone: Clone) -> None:
    """A training has all nodes of the cluster; one dies, and comes back when the next attempt waits for it."""
    configuration = yaml.safe_load((clone.folder / "config/demo.yaml").read_text())
    configuration["train"]["layout"] = {"context": 2, "processes": 4}
    (clone.folder / "config/demo.yaml").write_text(yaml.safe_dump(configuration))
    clone.adapt_profile({"set-resources": {"train_method": {"nodes": 4, "tasks": 4}}})
    clone.forget(*TRAINING)
    snakemake = clone.start("results/tiny/models/ce")
    trainers = clone.hold_training(snakemake, CHECKPOINT + 2)
    node = trainers[3].environ()["SLURMD_NODENAME"]
    kill_node(clone, node, trainers[3])
    go_on(trainers[:3])
    until(lambda: clone.states("train_method") == ["NODE_FAIL", "PENDING"], "the next attempt to wait for the node")
    start_node(clone, node)
    clone.finish(snakemake)


def kill_node(clone: Clone, node: str, trainer: psutil.Process) -> None:
    """Everything on a node is gone, slurmd first: a training's process, its launcher and what watches over them."""
    psutil.Process(clone.cluster.process_of(f"slurmd-{node}")).kill()
    for process in reversed([trainer, *trainer.parents()[:2]]):
        process.kill()


def start_node(clone: Clone, node: str) -> None:
    """The node is back, and Slurm knows it."""
    subprocess.run(["/usr/sbin/slurmd", "-N", node], check=True)
    until(lambda: "down" not in clone.cluster.say("sinfo", "-h", "-n", node, "-o", "%t"), "the node")


def in_a_strange_place(clone: Clone) -> None:
    """Nothing happens, but the folder has a name that a shell would read otherwise."""
    clone.forget(*TRAINING, *ANSWERS, "report.*")
    clone.run()


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


def play(scenario: Callable[[Clone], None], undisturbed: Clone, folder: Path) -> Clone:
    """Let a scenario happen in a copy of the undisturbed run."""
    clone = undisturbed.copy(folder / (STRANGE_ON_A_CLUSTER if scenario is in_a_strange_place else scenario.__name__))
    (clone.folder / "snakemake.log").unlink()
    try:
        scenario(clone)
    finally:
        clone.kill_all()
    return clone


BESIDE = (
    *(cancelled, out_of_time, snakemake_killed, out_of_memory, disk_full, on_one_node),
    *(by_the_launcher_of_torch, audited, bad_input, in_a_strange_place),
)


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
    clone = scenarios(cancelled)
    assert clone.states("train_method") == ["CANCELLED", "COMPLETED"]
    assert went_on_after(clone) >= CHECKPOINT + 2
    assert "stopped on a signal" in (clone.results / "logs/train/ce.log.attempt-1").read_text()
    assert clone.digests() == undisturbed.digests()


def test_a_training_near_its_time_limit_saves_ends_with_75_and_goes_on_in_another_job(scenarios, undisturbed):
    clone = scenarios(out_of_time)
    assert clone.states("train_method") == ["FAILED", "COMPLETED"]
    assert "(exit code 75)" in clone.said()
    assert went_on_after(clone) >= CHECKPOINT + 2
    assert clone.digests() == undisturbed.digests()


def test_a_killed_snakemake_leaves_its_training_to_the_next_and_two_at_once_are_refused(scenarios, undisturbed):
    clone = scenarios(snakemake_killed)
    [refusal] = [line for line in clone.said().splitlines() if line.startswith("error: ")]
    assert "works here" in refusal
    assert clone.states("train_method") == ["COMPLETED"]
    assert clone.digests() == undisturbed.digests()


def test_one_node_gives_the_bytes_of_two(scenarios, undisturbed):
    clone = scenarios(on_one_node)
    assert clone.states("train_method") == ["COMPLETED"]
    assert clone.digests() == undisturbed.digests()


def test_the_launcher_of_torch_trains_the_same_bytes_on_two_nodes(scenarios, undisturbed):
    clone = scenarios(by_the_launcher_of_torch)
    expected = undisturbed.digests()
    del expected["models/ce/.snakemake_timestamp"]  # by hand, Snakemake leaves no mark
    assert clone.digests() == expected


def test_an_audit_speaks_of_slurm_s_jobs_and_is_verified(scenarios):
    clone = scenarios(audited)
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
    clone = scenarios(out_of_memory)
    assert clone.states("evaluate") == ["FAILED", "FAILED", "COMPLETED", "COMPLETED"]  # one group for each way
    assert clone.digests() == undisturbed.digests()


def test_bad_input_is_tried_once_and_told_once_at_the_end_with_the_logs(scenarios):
    clone = scenarios(bad_input)
    assert set(clone.states("evaluate")) == {"FAILED"}
    assert len(clone.jobs("evaluate")) == len({comment_of(clone, job) for job, _ in clone.jobs("evaluate")})
    [complaint] = clone.complaints()
    assert "512.jsonl" in complaint
    assert "(log: results/tiny/logs/generate/" in complaint


def test_a_full_disk_costs_the_work_since_the_last_checkpoint(scenarios, undisturbed):
    clone = scenarios(disk_full)
    states = clone.states("train_method")
    assert states[0] == "FAILED"
    assert states[-1] == "COMPLETED"
    assert went_on_after(clone) == CHECKPOINT
    assert clone.digests() == undisturbed.digests()


def test_a_restarted_controller_disturbs_nobody(scenarios, undisturbed):
    clone = scenarios(controller_restarted)
    assert clone.states("train_method") == ["COMPLETED"]
    assert clone.digests() == undisturbed.digests()


def test_a_dead_node_is_left_out_of_the_next_attempt(scenarios, undisturbed):
    clone = scenarios(node_dies)
    assert clone.states("train_method") == ["NODE_FAIL", "COMPLETED"]
    assert went_on_after(clone) == CHECKPOINT
    assert clone.digests() == undisturbed.digests()


def test_a_training_on_all_nodes_waits_for_one_that_died_and_goes_on(scenarios):
    clone = scenarios(last_node_of_all_dies)
    assert clone.states("train_method") == ["NODE_FAIL", "COMPLETED"]
    assert went_on_after(clone) == CHECKPOINT


def test_a_folder_with_spaces_quotes_and_dollars_gives_the_same_bytes(scenarios, undisturbed):
    clone = scenarios(in_a_strange_place)
    assert "COMPLETED" in clone.states("train_method")
    assert clone.digests() == undisturbed.digests()


def went_on_after(clone: Clone) -> int:
    """The step after which the last attempt of the training went on; 0 where it began anew."""
    told = re.search(r"going on after step (\d+)", clone.log_of_training())
    return int(told[1]) if told else 0


def comment_of(clone: Clone, job: str) -> str:
    """What Snakemake says that a Slurm job is."""
    return clone.cluster.say("squeue", "--noheader", "--states=all", "--format=%k", f"--jobs={job}")
