"""What happens to runs on a cluster: each scenario in a copy of the undisturbed run that lacks some results.

A training is held (SIGSTOP) while something happens to it, so that no test depends on how fast this machine is.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from tests.slurm.site import Clone, go_on, has_met, until
from tests.workflow.test_strange_places import STRANGE_ON_A_CLUSTER

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


# They happen at the same time; the others strike the cluster as a whole.
BESIDE = (
    *(cancelled, out_of_time, snakemake_killed, out_of_memory, disk_full, on_one_node),
    *(by_the_launcher_of_torch, audited, bad_input, in_a_strange_place),
)


def play(scenario: Callable[[Clone], None], undisturbed: Clone, folder: Path) -> Clone:
    """Let a scenario happen in a copy of the undisturbed run."""
    clone = undisturbed.copy(folder / (STRANGE_ON_A_CLUSTER if scenario is in_a_strange_place else scenario.__name__))
    (clone.folder / "snakemake.log").unlink()
    try:
        scenario(clone)
    finally:
        clone.kill_all()
    return clone
