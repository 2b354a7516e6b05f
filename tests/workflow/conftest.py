"""A finished run of the whole workflow (config/books.yaml), in which every command has done its work in a moment.

The rules, the profiles, the configuration and the modules that the rules fingerprint are copies of the real ones.
Only the three `__main__.py` are replaced: they create the file or folder that `--output` names, or print. So what
Snakemake decides to run again is decided by the real rules, and a whole run takes seconds.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.copy_of_repository import REPOSITORY, copy_of_repository, merge

ROOMS = ("data_prep", "megatron_cdt", "eval")
COPIED = ("Snakefile", "environment.yml", "local", "slurm", "workflow", "contracts", *ROOMS)
BOOKS = {"train": (1, 2), "validation": (3,), "test": (4, 5)}
INSTANT_COMMAND = """
import sys
from pathlib import Path

if "--output" not in sys.argv:
    sys.exit(print("{}"))
output = Path(sys.argv[sys.argv.index("--output") + 1])
if output.suffix in {".jsonl", ".json", ".html"}:
    output.write_text("done")
    if "build" in sys.argv:
        output.with_suffix(".manifest.json").write_text("done")
    if "report" in sys.argv:
        output.with_suffix(".json").write_text("done")
        output.with_suffix(".tables").mkdir(exist_ok=True)
else:
    output.mkdir(parents=True, exist_ok=True)
    (output / "done.json").write_text("done")
"""
# A process counts what it was forked from as its own memory: between pytest and what is measured stands this small one.
MEASURED = """
import os, subprocess, sys

process = subprocess.Popen(sys.argv[1:])
_, status, used = os.wait4(process.pid, 0)
print("MEASURED", used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20)
sys.exit(os.waitstatus_to_exitcode(status))
"""
# Slurm, reduced to what submitting needs: every job is noted and has failed.
SLURM = {
    "sbatch": """echo "$@" "$(tr '\\n' ' ')" >> "$SUBMITTED"; echo 17""",
    "squeue": "echo '17|FAILED'",
    "sacct": "echo '17|FAILED'",
    "scontrol": 'echo "MinJobAge = 600 sec"',
    "sinfo": "echo 'cpu*'",
    "scancel": "true",
    "sacctmgr": "true",
    "sshare": "true",
}
WHOLE_RUN = yaml.safe_load((REPOSITORY / "config/books.yaml").read_text(encoding="utf-8")) | {"run": "demo"}


class Project:
    """A copy of the repository's workflow with its results, in which files may be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def snakemake(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """Run snakemake here, with some more variables in its environment; stdout and stderr as one text."""
        command = [sys.executable, "-m", "snakemake", *arguments]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
        )

    def measure(self, *arguments: str) -> tuple[float, float]:
        """(CPU seconds, GiB at most) of a Snakemake that must end well, of it and its own children alone."""
        command = [sys.executable, "-c", MEASURED, sys.executable, "-m", "snakemake", *arguments]
        ended = subprocess.run(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300
        )
        assert ended.returncode == 0, ended.stdout[-2000:]
        seconds, memory = re.search(r"^MEASURED (\S+) (\S+)$", ended.stdout, flags=re.MULTILINE).groups()
        return float(seconds), float(memory)

    def run(self) -> None:
        """Run the whole workflow."""
        finished = self.snakemake("--profile", "local", "--configfile", "config/demo.yaml")
        assert finished.returncode == 0, finished.stdout

    def to_run(self, *arguments: str, **environment: str) -> set[str]:
        """What a dry run would run, as `rule wildcard...`, e.g. `generate cdt vt 1024`."""
        planned = self.snakemake(
            "-n", "--profile", "local", "--configfile", "config/demo.yaml", *arguments, **environment
        )
        assert planned.returncode == 0, planned.stdout
        return jobs_of(planned.stdout)

    def configure(self, **sections: dict | str) -> None:
        """Change keys of the configuration, section by section."""
        configuration = whole_run_with(sections)
        (self.folder / "config/demo.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")

    def touch(self, path: str) -> None:
        """Give a file the present time, and its own bytes."""
        (self.folder / path).touch()

    def edit(self, path: str) -> None:
        """Make a module do one thing more when it is imported."""
        with open(self.folder / path, "a", encoding="utf-8") as module:
            module.write("\n[].append(1)\n")

    def reword(self, path: Path) -> None:
        """Say the same in a module with another comment, another docstring and blank lines."""
        text = (self.folder / path).read_text(encoding="utf-8")
        (self.folder / path).write_text(f"# before\n\n{text}\n\n\n# behind\n", encoding="utf-8")


def whole_run_with(changes: dict) -> dict:
    """The configuration of config/books.yaml with some keys changed."""
    configuration = yaml.safe_load(yaml.safe_dump(WHOLE_RUN))
    merge(configuration, changes)
    return configuration


def jobs_of(text: str) -> set[str]:
    """The jobs that a dry run prints; the target that only collects the others is none."""
    jobs = set()
    for block in re.split(r"\n(?=(?:local)?rule \w+:\n)", text)[1:]:
        rule = re.match(r"(?:local)?rule (\w+):", block)[1]
        wildcards = re.search(r"^    wildcards: (.*)$", block.split("\n[")[0], flags=re.MULTILINE)
        values = [pair.split("=")[1] for pair in wildcards[1].split(", ")] if wildcards else []
        jobs.add(" ".join([rule, *values]))
    return jobs - {"all", "default"}


def copy_workflow(folder: Path) -> None:
    """The repository's workflow with instant commands and a corpus of a few words."""
    copy_of_repository(folder, COPIED)
    for room in ROOMS:
        (folder / room / "__main__.py").write_text(INSTANT_COMMAND, encoding="utf-8")
    corpus = folder / WHOLE_RUN["corpus"]["path"]
    for split, numbers in BOOKS.items():
        (corpus / split).mkdir(parents=True)
        for number in numbers:
            (corpus / split / f"{number}.txt").write_text("words", encoding="utf-8")
    (corpus / "metadata.csv").write_text("1,Title,1900,url\n", encoding="utf-8")


@pytest.fixture
def fresh(tmp_path: Path) -> Project:
    """The workflow before its first run."""
    return new_project(tmp_path / "fresh")


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The finished run; nobody changes it."""
    project = new_project(tmp_path_factory.mktemp("workflow") / "finished")
    project.run()
    return project


@pytest.fixture
def project(finished_run: Project, tmp_path: Path) -> Project:
    """A copy of the finished run, times included, to change and to ask what would run."""
    shutil.copytree(finished_run.folder, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


def new_project(folder: Path) -> Project:
    """A copy of the workflow with the demo's configuration."""
    copy_workflow(folder)
    (folder / "config").mkdir()
    project = Project(folder)
    project.configure()
    return project


@pytest.fixture
def slurm(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with Slurm's commands; `SUBMITTED` is the file with what was submitted."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, script in SLURM.items():
        (programs / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (programs / name).chmod(0o755)
    return {"PATH": f"{programs}:{os.environ['PATH']}", "SUBMITTED": str(tmp_path / "submitted")}
