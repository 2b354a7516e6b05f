"""Recompute everything that an audit says, and name every difference.

in : an audit folder, or the run folder that holds one
out: one line per difference, `path: what`; exit 0 where there is none, else 1
Nothing is believed: bytes are hashed, sums added, tokens counted, scores computed again from the predictions. A hash
that was edited along with its file is found by what else knows the file: manifests, counts, scores, records, code.
What cannot be recomputed is said on a line that begins with `not checked:`.
Run: python -m workflow.audit verify results/demo/audit
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from contracts.code_places import REPOSITORY
from contracts.errors import InputError
from contracts.files import existing_folder
from workflow.audit.checks import code, data, derived, hashes, manifests, predictions, scores, settings, trainings
from workflow.audit.checks.difference import Audited, Difference
from workflow.audit.run import open_run
from workflow.audit.run_files import AUDIT
from workflow.audit.sums import SUMS

CHECKS: tuple[Callable[[Audited], Iterator[Difference]], ...] = (
    hashes.check,
    manifests.check,
    settings.check,
    data.check,
    trainings.check,
    predictions.check,
    scores.check,
    code.check,
    derived.check,
)
DIFFERENT = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="an audit folder, or the run folder that holds it")
    parser.add_argument("--code", type=Path, default=REPOSITORY, metavar="REPOSITORY", help="the code to compare with")


def run(arguments: argparse.Namespace) -> None:
    audited = open_audit(arguments.folder, arguments.code.resolve())
    differences = sorted(set(find_differences(audited)))
    for difference in differences:
        print(f"{difference.path}: {difference.what}")
    for sentence in unchecked(audited):
        print(f"not checked: {sentence}")
    told = f"{len(audited.run.digests)} files, {len(audited.run.manifests)} manifests, {len(audited.run.jobs)} jobs"
    print(f"{audited.run.folder}: {told}, {len(differences) or 'no'} difference{'s' * (len(differences) != 1)}")
    if differences:
        sys.exit(DIFFERENT)


def open_audit(folder: Path, repository: Path = REPOSITORY) -> Audited:
    """The audit and its run; InputError where there is none."""
    audited = open_run(folder)
    audit = existing_folder(audited.folder / AUDIT, "make it first: snakemake audit")
    if not (audit / SUMS).is_file():
        raise InputError(f"{audit}: no {SUMS}; this is no audit, or the file was taken away: make the audit again")
    return Audited(audited, audit, repository)


def find_differences(audited: Audited) -> Iterator[Difference]:
    """Everything that every check finds; a check that cannot read its files says which."""
    for check in CHECKS:
        try:
            yield from check(audited)
        except (InputError, OSError, KeyError, TypeError, ValueError) as error:
            # What a tampered file makes of a check is a finding too; the check before it has named the file.
            name = check.__module__.rpartition(".")[2]
            yield Difference(f"check of {name}", f"cannot be made ({type(error).__name__}: {error})")


def unchecked(audited: Audited) -> Iterator[str]:
    """What this audit cannot show."""
    if not audited.run.jobs:
        yield "scores and code: this run has no records of its jobs (it was made before they were kept)"
    for digest in audited.facts.get("inputs_not_at_hand", []):
        yield f"an input with sha256 {digest}: it was not at hand when the audit was made"
    for name in hashes.absent_inputs(audited):
        yield f"{name}: this input is not at hand here"
