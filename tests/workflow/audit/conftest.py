"""One real, tiny run with its audit, made once; every test works on a linked copy of it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflow.audit.tiny_run import REPOSITORY, ROOT, CommandServer, make_audit, plan, prepare, run_commands


@pytest.fixture(scope="session")
def server() -> Iterator[CommandServer]:
    """Runs commands in forks."""
    server = CommandServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """The command lines of a whole run and, last, of its audit, as the rules give them."""
    folder = tmp_path_factory.mktemp("plan")
    prepare(folder)
    return plan(folder, "audit")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, server: CommandServer, commands: list[list[str]]) -> Path:
    """The working folder of the finished and audited run; nobody changes it."""
    folder = tmp_path_factory.mktemp("finished")
    prepare(folder)
    run_commands(server, folder, commands[:-1])
    make_audit(folder, commands[-1])
    return folder


@pytest.fixture
def work(finished: Path, tmp_path: Path) -> Path:
    """A copy of the working folder: the files are links, so whoever changes one has to put a new one in its place."""
    return linked_copy(finished, tmp_path / "work")


@pytest.fixture
def run_folder(work: Path) -> Path:
    """The run folder in the copy."""
    return work / ROOT


def linked_copy(source: Path, target: Path) -> Path:
    """A copy of a folder whose files are hard links."""
    shutil.copytree(source, target, copy_function=lambda file, link: Path(link).hardlink_to(file))
    return target


def audit_command(work: Path, *arguments: str) -> subprocess.CompletedProcess:
    """`python -m workflow.audit ...` in a working folder."""
    return subprocess.run(
        [sys.executable, "-m", "workflow.audit", *arguments],
        cwd=work,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
