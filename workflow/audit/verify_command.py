"""Recompute everything that an audit says, and name every difference.

in : an audit folder, or the run folder that holds one
out: one line per difference, `path: what`; exit 0 where there is none, else 1
Nothing is believed: bytes are hashed, sums added, tokens counted, scores computed again from the predictions. A hash
that was edited along with its file is found by what else knows the file: manifests, counts, scores, records, code.
What cannot be recomputed is said on a line that begins with `not checked:`, what nothing but the sums knows on one that
begins with `self-declared:`.
Run: python -m workflow.audit verify results/demo/audit
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from contracts.code_places import REPOSITORY
from contracts.errors import InputError
from contracts.files import existing_folder
from workflow.audit.checks import code, files, recomputed, records
from workflow.audit.files import AUDIT, KINDS, SELF_DECLARED, kind_of
from workflow.audit.run import Audited, Difference, open_run
from workflow.audit.sums import INPUT_SUMS, SIGNATURE, SUMS, read_sums, sign_sums, signer_of_sums

CHECKS: dict[str, Callable[[Audited], Iterator[Difference]]] = {
    "hashes": files.sum_faults,
    "links": files.strange_files,
    "second names": files.second_name_faults,
    "inputs": files.changed_inputs,
    "manifests": files.manifest_faults,
    "settings": records.setting_faults,
    "data": recomputed.data_faults,
    "trainings": records.training_faults,
    "predictions": records.prediction_faults,
    "scores": recomputed.score_faults,
    "code": code.code_faults,
    "tables": recomputed.table_faults,
}
DIFFERENT = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="an audit folder, or the run folder that holds it")
    add("--code", type=Path, default=REPOSITORY, metavar="REPOSITORY", help="the code to compare with")
    add("--signers", type=Path, metavar="FILE", help="who may have signed the audit: OpenSSH's allowed_signers file")
    add("--sign", type=Path, metavar="KEY", help="sign the audit with this SSH key, where there is no difference")


def run(arguments: argparse.Namespace) -> None:
    audited = open_audit(arguments.folder, arguments.code.resolve())
    differences = sorted({*find_differences(audited), *signature_faults(audited, arguments.signers)})
    for difference in differences:
        print(f"{difference.path}: {difference.what}")
    for sentence in unchecked(audited, arguments.signers):
        print(f"not checked: {sentence}")
    print(f"{SELF_DECLARED}: {self_declared(audited)}")
    told = f"{len(audited.run.digests)} files, {len(audited.run.manifests)} manifests, {len(audited.run.jobs)} jobs"
    print(f"{audited.run.folder}: {told}, {len(differences) or 'no'} difference{'s' * (len(differences) != 1)}")
    if differences:
        sys.exit(DIFFERENT)
    if arguments.sign:
        sign_sums(audited.audit, arguments.sign)
        print(f"{audited.audit / SIGNATURE}: signed")


def open_audit(folder: Path, repository: Path = REPOSITORY) -> Audited:
    """The audit and its run; InputError where there is none."""
    audited = open_run(folder)
    audit = existing_folder(audited.folder / AUDIT, "make it first: snakemake audit")
    if not (audit / SUMS).is_file():
        raise InputError(f"{audit}: no {SUMS}; this is no audit, or the file was taken away: make the audit again")
    return Audited(audited, audit, repository)


def find_differences(audited: Audited) -> Iterator[Difference]:
    """Everything that every check finds; a check that cannot read its files says which."""
    for name, check in CHECKS.items():
        try:
            yield from check(audited)
        except (InputError, OSError, KeyError, TypeError, ValueError) as error:
            # What a tampered file makes of a check is a finding too; the check before it has named the file.
            yield Difference(f"check of {name}", f"cannot be made ({type(error).__name__}: {error})")


def signature_faults(audited: Audited, signers: Path | None) -> Iterator[Difference]:
    """Whether one of the signers signed these very sums; says who, where it is so."""
    if not signers:
        return
    if not (audited.audit / SIGNATURE).is_file():
        yield Difference(f"{AUDIT}/{SIGNATURE}", "is missing: nobody signed this audit")
    elif principal := signer_of_sums(audited.audit, signers):
        print(f"signed by {principal}")
    else:
        yield Difference(f"{AUDIT}/{SIGNATURE}", f"is no signature of {SUMS} as it is by anybody in {signers}")


def self_declared(audited: Audited) -> str:
    """Of which files nothing but their sum, and a signature over the sums, says that they are what they were."""
    kinds = [kind_of(name) for name in audited.run.digests]
    declared = [kind.name if kind else "unknown" for kind in kinds if not kind or kind.known_by == SELF_DECLARED]
    order = [kind.name for kind in KINDS] + ["unknown"]
    counted = ", ".join(f"{declared.count(name)} {name}" for name in order if name in declared)
    return f"{len(declared)} files, which {SUMS} alone knows ({counted or 'none'})"


def unchecked(audited: Audited, signers: Path | None) -> Iterator[str]:
    """What this audit cannot show."""
    if not audited.run.jobs:
        yield "scores and code: this run has no records of its jobs (it was made before they were kept)"
    if (audited.audit / SIGNATURE).is_file() and not signers:
        yield f"{AUDIT}/{SIGNATURE}: whose signature it is; give --signers FILE"
    for digest in audited.facts.get("inputs_not_at_hand", []):
        yield f"an input with sha256 {digest}: it was not at hand when the audit was made"
    stated = read_sums(audited.audit / INPUT_SUMS) if (audited.audit / INPUT_SUMS).is_file() else {}
    for name in (name for name in stated if not (audited.run.work_folder() / name).is_file()):
        yield f"{name}: this input is not at hand here"
