"""Every score, average and number of the report, computed again: the same command, another output.

Scoring is deterministic and cheap, so equal bytes are expected. Runs inside this process, with the code of this tree.
"""

import argparse
import contextlib
import importlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

from contracts.errors import InputError
from contracts.fingerprint import sha256_file
from eval.__main__ import COMMANDS
from workflow.audit.checks.difference import Audited, Difference
from workflow.audit.run import Run

RECOMPUTED = ("score", "aggregate", "report")


def check(audited: Audited) -> Iterator[Difference]:
    """Every output of a scoring or reporting job."""
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        # The paths of a command line may be part of what it writes: here the run lies where they say, wherever it is.
        Path(audited.run.root).parent.mkdir(parents=True, exist_ok=True)
        Path(audited.run.root).symlink_to(audited.run.folder.resolve())
        for number, (output, job) in enumerate(sorted(audited.run.last_jobs.items())):
            if job["program"] == "eval" and job["arguments"][0] in RECOMPUTED:
                yield from faults(audited.run, output, job, Path("again", str(number), Path(output).name))


def faults(run: Run, output: str, job: dict, again: Path) -> Iterator[Difference]:
    """What the command writes now, against what lies in the run folder."""
    again.parent.mkdir(parents=True)
    words = list(job["arguments"])
    words[words.index("--output") + 1] = str(again)
    try:
        call(words)
    except InputError as error:
        yield Difference(output, f"cannot be computed again: {error}")
        return
    for file in sorted(path for path in again.parent.rglob("*") if path.is_file()):
        name = (Path(output).parent / file.relative_to(again.parent)).as_posix()
        if run.digests.get(name) != sha256_file(file):
            yield Difference(name, "differs from what is computed again from its inputs")


def call(words: list[str]) -> None:
    """`python -m eval ...` in this process."""
    module = importlib.import_module(COMMANDS[words[0]][0])
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        module.run(parser.parse_args(words[1:]))
