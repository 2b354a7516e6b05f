"""What can be computed again is: rows are counted, scores and the report are made, the audit's own tables are written.

Scoring is deterministic and cheap, so equal bytes are expected. Runs inside this process, with the code of this tree.
"""

import argparse
import contextlib
import importlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from contracts.errors import InputError
from contracts.fingerprint import sha256_file
from contracts.secrets import scrub_text
from data_prep.commands import verify as verify_command
from eval.__main__ import COMMANDS
from workflow.audit.bundle import derived_texts
from workflow.audit.run import Audited, Difference, Run, read_object
from workflow.audit.sums import INPUT_SUMS, read_sums

COUNTED = ("tokenizer", "tokenize", "mix", "pack")
RECOMPUTED = ("score", "aggregate", "report")


def data_faults(audited: Audited) -> Iterator[Difference]:
    """Every folder that data_prep made, row by row, by its own verification."""
    run = audited.run
    for name, manifest in sorted(run.manifests.items()):
        if manifest["stage"] not in COUNTED:
            continue
        folder = PurePosixPath(name).parent
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                verify_command.run(argparse.Namespace(folder=run.folder / folder))
        except (InputError, ValueError, OSError) as error:  # pyarrow's complaints are ValueErrors
            yield Difference(folder.as_posix(), " ".join(str(error).split()))


def score_faults(audited: Audited) -> Iterator[Difference]:
    """Every output of a scoring or reporting job: the same command, another output."""
    run = audited.run
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(where_paths_hold(run, Path(place))):
        again = Path(place, "again")
        failed = [
            Difference(output, f"cannot be computed again: {complaint}")
            for output, job in sorted(run.last_jobs.items())
            if job["program"] == "eval" and job["arguments"][0] in RECOMPUTED
            for complaint in complaints(job, again / output)
        ]
        files = [path for path in sorted(again.rglob("*")) if path.is_file()]
        computed = {path.relative_to(again).as_posix(): sha256_file(path) for path in files}
    yield from failed
    for name, digest in computed.items():
        if run.digests.get(name) != digest:
            yield Difference(name, "differs from what is computed again from its inputs")


def where_paths_hold(run: Run, place: Path) -> Path:
    """A working folder in which the paths of the recorded commands lead to the run, wherever it lies now.

    Paths may be part of what a command writes, so they are not changed. A run that was moved is linked to its old name.
    """
    work = run.work_folder()
    if (work / run.root).resolve() == run.folder:
        return work
    (place / run.root).parent.mkdir(parents=True, exist_ok=True)
    (place / run.root).symlink_to(run.folder)
    return place


def complaints(job: dict, again: Path) -> Iterator[str]:
    """Run a job's command with another output; its complaint, where it cannot be run."""
    again.parent.mkdir(parents=True, exist_ok=True)
    words = list(job["arguments"])
    words[words.index("--output") + 1] = str(again)
    try:
        call(words)
    except (InputError, KeyError, TypeError, ValueError) as error:
        # Tampered inputs, or those of another version, need not be refused in good order.
        yield f"{type(error).__name__}: {error}"


def call(words: list[str]) -> None:
    """`python -m eval ...` in this process."""
    module = importlib.import_module(COMMANDS[words[0]][0])
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        module.run(parser.parse_args(words[1:]))


def table_faults(audited: Audited) -> Iterator[Difference]:
    """Every table and copy that the run folder gives; Slurm's accounting is the stored one, since Slurm forgets."""
    accounting = read_object(audited.audit / "sacct.json")
    inputs = read_sums(audited.audit / INPUT_SUMS)
    for name, text in derived_texts(audited.run, accounting, audited.facts, inputs).items():
        path = audited.audit / name
        if not path.is_file() or path.read_text(encoding="utf-8") != scrub_text(text):
            yield Difference(f"audit/{name}", "differs from what the run folder gives")
