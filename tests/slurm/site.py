"""A real Slurm of four nodes on this host, and copies of the repository that run their workflow on it.

The copies have a corpus of four books, the configuration tiny.yaml in place of the demo, and the shipped profile with
this site's entries: two nodes a training, little memory, and looks at the jobs that suit jobs of seconds.
Slurm needs root and Debian's packages; `missing_for_slurm` says what a machine lacks.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import psutil
import yaml

from tests.copy_of_repository import REPOSITORY, copy_of_repository, merge

SCRIPTS = Path(__file__).parent / "cluster"
PROGRAMS = ("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd", "sbatch", "srun")
COPIED = ("Snakefile", "environment.yml", "slurm", "workflow", "contracts", "data_prep", "megatron_cdt", "eval")
BOOKS = ("metadata.csv", "train/1013.txt", "train/103.txt", "validation/356.txt", "test/12204.txt", "test/860.txt")
# What this site adds to the shipped profile; mappings are merged.
SITE = {
    "slurm-init-seconds-before-status-checks": 6,
    "latency-wait": 10,
    "default-resources": {"runtime": 20, "mem_mb": 1500},
    "set-resources": {
        "train_method": {
            **{"mpi": "'srun'", "nodes": 2, "tasks": 2, "gres": "'gpu:1'", "tasks_per_gpu": 0, "cpus_per_task": 1},
            **{"runtime": 20, "mem_mb": 3000},
        },
        "generate": {"runtime": 4},
        "detect_critical_tokens": {"runtime": 4},
        "score": {"runtime": 1},
    },
}
# Times, hosts and process ids are another at every run; everything else has to be the same bytes.
OF_THE_MOMENT = ("logs", "benchmarks", "records")
OF_THE_TRAINING_S_MOMENT = ("timing.jsonl", "history.jsonl", "writer.lock", "checkpoints")


def missing_for_slurm() -> str | None:
    """What keeps Slurm from being started here, in words; None where nothing does."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    absent = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    if absent:
        return f"no Slurm here ({', '.join(absent)}); apt-get install slurm-wlm munge slurmdbd mariadb-server"
    return None if os.geteuid() == 0 else "Slurm can be started by root only"


def until(condition: Callable[[], object], what: str, seconds: float = 240.0) -> object:
    """What `condition` returns as soon as that is true; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} seconds for {what}"
        time.sleep(0.1)
    return answer


class Cluster:
    """Slurm, started and stopped by the scripts in cluster/."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self) -> None:
        """Return when all nodes are idle."""
        started = subprocess.run(
            [SCRIPTS / "start.sh", self.folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=180,
        )
        assert started.returncode == 0, started.stderr

    def stop(self) -> None:
        """End every process that `start` began."""
        subprocess.run([SCRIPTS / "stop.sh", self.folder], timeout=120, check=False)

    def say(self, *command: str) -> str:
        """What one of Slurm's commands prints."""
        return subprocess.run(command, capture_output=True, text=True, timeout=240, check=True).stdout

    def process_of(self, daemon: str) -> int:
        """The process id of slurmctld, or of `slurmd-node2`."""
        return int((self.folder / f"run/{daemon}.pid").read_text())


class Clone:
    """A copy of the repository in which Snakemake runs on the cluster."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.folder = folder
        self.cluster = cluster
        self.results = folder / "results/tiny"

    @classmethod
    def fresh(cls, folder: Path, cluster: Cluster) -> "Clone":
        """The repository before its first run, with the demo's configuration replaced by tiny.yaml."""
        copy_of_repository(folder, COPIED)
        for name in BOOKS:
            place = folder / "resources/pg19" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / "resources/pg19" / name, place)
        (folder / "config").mkdir()
        shutil.copy2(Path(__file__).parent / "tiny.yaml", folder / "config/demo.yaml")
        clone = cls(folder, cluster)
        clone.adapt_profile(SITE)
        return clone

    def copy(self, folder: Path) -> "Clone":
        """A copy of this clone with its results, times included."""
        shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)
        return Clone(folder, self.cluster)

    def adapt_profile(self, changes: dict) -> None:
        """Merge entries into the profile, as a person would who sets it up for a cluster."""
        path = self.folder / "workflow/profiles/slurm/profile.yaml"
        profile = yaml.safe_load(path.read_text(encoding="utf-8"))
        merge(profile, changes)
        path.write_text(yaml.safe_dump(profile), encoding="utf-8")

    def forget(self, *names: str) -> None:
        """Remove some of the results."""
        for name in names:
            for path in self.results.glob(name):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def start(self, *targets: str) -> subprocess.Popen:
        """`snakemake --profile slurm [TARGET...]` from the root of the copy; output in snakemake.log."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        log = open(self.folder / "snakemake.log", "a")  # noqa: SIM115 (the child's)
        command = [Path(sys.executable).parent / "snakemake", "--profile", "slurm", *targets]
        return subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, env=environment)

    def run(self, *targets: str) -> None:
        """The same to its end, which must be a good one."""
        self.finish(self.start(*targets))

    def finish(self, snakemake: subprocess.Popen) -> None:
        """Wait for a Snakemake that has been started; it must end well."""
        try:
            code = snakemake.wait(timeout=900)
        finally:
            snakemake.kill()
        assert code == 0, self.said()[-6000:]

    def said(self) -> str:
        """All that Snakemake has written here."""
        return (self.folder / "snakemake.log").read_text()

    def complaints(self) -> list[str]:
        """The complaints about inputs that Snakemake repeats at the end."""
        return [line for line in self.said().splitlines() if line.startswith("error: ") and "(log: " in line]

    def digests(self) -> dict[str, str]:
        """sha256 of every result by its path, without what no two runs share."""
        return {
            str(path.relative_to(self.results)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.results.rglob("*"))
            if path.is_file() and not is_of_the_moment(path.relative_to(self.results))
        }

    def jobs(self, rule: str) -> list[tuple[str, str]]:
        """(id, state) of every Slurm job of this copy whose rule or group has this in its name, oldest first."""
        lines = self.cluster.say(
            "squeue", "--noheader", "--states=all", "--sort=i", "--format=%A|%T|%Z|%k"
        ).splitlines()
        fields = [line.split("|") for line in lines]
        return [
            (job, state) for job, state, folder, comment in fields if folder == str(self.folder) and rule in comment
        ]

    def states(self, rule: str) -> list[str]:
        """The states of those jobs."""
        return [state for _, state in self.jobs(rule)]

    def seconds_of(self, job: str) -> int:
        """For how long a Slurm job has been running."""
        began = self.cluster.say("squeue", "--noheader", "--format=%S", f"--jobs={job}").strip()
        return int((datetime.now() - datetime.fromisoformat(began)).total_seconds()) + 1

    def trainers(self) -> list[psutil.Process]:
        """The processes of this copy's trainings, by rank."""
        found = [(int(variables["RANK"]), process) for process, variables in self.processes() if "RANK" in variables]
        return [process for _, process in sorted(found, key=lambda pair: pair[0])]

    def processes(self) -> Iterator[tuple[psutil.Process, dict[str, str]]]:
        """Every process that works in this copy, and its environment."""
        for process in psutil.process_iter():
            try:
                if process.cwd() == str(self.folder):
                    yield process, process.environ()
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue

    def kill_all(self) -> None:
        """End whatever a test that failed has left running here."""
        for process, _ in self.processes():
            process.kill()

    def steps(self) -> int:
        """How many steps the training of `ce` has recorded."""
        return sum(len(path.read_text().splitlines()) for path in self.results.glob("train/ce/run-*/metrics.jsonl"))

    def hold_training(self, snakemake: subprocess.Popen, step: int) -> list[psutil.Process]:
        """Stop the processes of the training of `ce` after `step` steps, so that something can happen to it."""
        until(lambda: self.steps() >= step or snakemake.poll() is not None, f"step {step} in {self.folder}")
        assert snakemake.poll() is None, self.said()[-6000:]
        trainers = self.trainers()
        for trainer in trainers:
            trainer.suspend()
        return trainers

    def log_of_training(self) -> str:
        """What the last attempt of the training of `ce` wrote."""
        return (self.results / "logs/train/ce.log").read_text()


def go_on(processes: list[psutil.Process]) -> None:
    """Let processes go on that were held."""
    for process in processes:
        try:
            process.resume()
        except psutil.NoSuchProcess:
            continue


def has_met(process: psutil.Process, number: signal.Signals) -> bool:
    """Whether a signal waits for a process that is held, or has ended it already: scancel wakes what it signals."""
    try:
        text = Path(f"/proc/{process.pid}/status").read_text()
    except FileNotFoundError:
        return True
    status = dict(line.split(":", 1) for line in text.splitlines())
    return "T" not in status["State"] or bool(int(status["ShdPnd"], 16) >> (number - 1) & 1)


def is_of_the_moment(path: Path) -> bool:
    """Whether a result says when or where it was made."""
    return (
        path.parts[0] in OF_THE_MOMENT
        or path.parts[:2] == ("eval", "digests")
        or (path.parts[0] == "train" and any(part in OF_THE_TRAINING_S_MOMENT for part in path.parts))
    )
