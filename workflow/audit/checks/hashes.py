"""Every file has the bytes that SHA256SUMS states: none is changed, missing or added; inputs likewise."""

from collections.abc import Iterator
from pathlib import Path

from contracts.fingerprint import sha256_file
from workflow.audit.checks.difference import Audited, Difference
from workflow.audit.run_files import AUDIT, files_of_run, hash_files
from workflow.audit.sums import SUMS, read_sums

INPUT_SUMS = "inputs.SHA256SUMS"


def check(audited: Audited) -> Iterator[Difference]:
    """Stated against found, for the run and the audit folder; then the inputs that are at hand."""
    stated = read_sums(audited.audit / SUMS)
    of_audit = hash_files(files_of_run(audited.audit), audited.audit)
    found = {f"{AUDIT}/{name}": sha for name, sha in of_audit.items() if name != SUMS} | audited.run.digests
    named = {name[3:] if name.startswith("../") else f"{AUDIT}/{name}": sha for name, sha in stated.items()}
    for name in sorted(named.keys() | found.keys()):
        if name not in found:
            yield Difference(name, "is missing")
        elif name not in named:
            yield Difference(name, f"was added: {SUMS} does not know it")
        elif named[name] != found[name]:
            yield Difference(name, f"has changed: its sha256 is {found[name][:16]}, {SUMS} says {named[name][:16]}")
    yield from changed_inputs(audited)


def changed_inputs(audited: Audited) -> Iterator[Difference]:
    """Inputs from outside the run folder; one that is not at hand is no difference."""
    for name, stated in read_sums(audited.audit / INPUT_SUMS).items():
        path = audited.run.work_folder() / name
        if path.is_file() and sha256_file(path) != stated:
            yield Difference(name, f"this input has changed since the run: {INPUT_SUMS} says {stated[:16]}")


def absent_inputs(audited: Audited) -> Iterator[str]:
    """Inputs that are not where they were."""
    path: Path = audited.audit / INPUT_SUMS
    names = read_sums(path) if path.is_file() else {}
    yield from (name for name in names if not (audited.run.work_folder() / name).is_file())
