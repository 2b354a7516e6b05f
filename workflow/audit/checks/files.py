"""Every file has the bytes that something else states (SHA256SUMS, its manifest); none is missing, added or a way out.

The chain of the manifests is followed from inputs to outputs, and what each stage counted is added up.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

from contracts.fingerprint import sha256_file, sha256_value
from workflow.audit.files import AUDIT, files_of_run, kind_of, strangers
from workflow.audit.lineage import count_faults, stated_digests
from workflow.audit.run import Audited, Difference, Run, read_object
from workflow.audit.sums import INPUT_SUMS, SIGNATURE, SUMS, hash_files, read_sums


def sum_faults(audited: Audited) -> Iterator[Difference]:
    """Stated against found, for the run and the audit folder."""
    stated = read_sums(audited.audit / SUMS)
    of_audit = hash_files(files_of_run(audited.audit), audited.audit)
    own = {f"{AUDIT}/{name}": sha for name, sha in of_audit.items() if name not in (SUMS, SIGNATURE)}
    present = own | audited.run.digests
    named = {name[3:] if name.startswith("../") else f"{AUDIT}/{name}": sha for name, sha in stated.items()}
    for name in sorted(named.keys() | present.keys()):
        if name not in present:
            yield Difference(name, "is missing")
        elif name not in named:
            yield Difference(name, f"was added: {SUMS} does not know it")
        elif named[name] != present[name]:
            yield Difference(name, f"has changed: its sha256 is {present[name][:16]}, {SUMS} says {named[name][:16]}")


def strange_files(audited: Audited) -> Iterator[Difference]:
    """Links out of the run or to nothing, and what is no file; sums see what a link leads to, not that it is one."""
    yield from (Difference(name, fault) for name, fault in strangers(audited.run.folder).items())


def second_name_faults(audited: Audited) -> Iterator[Difference]:
    """Predictions that are kept under a second name are those that lie beside it."""
    digests = audited.run.digests
    for name, sha in digests.items():
        kind, first = kind_of(name), name.removesuffix(".kept")
        if kind and kind.name == "second name of predictions" and digests.get(first, sha) != sha:
            yield Difference(name, f"differs from {first}, of which it is a second name")


def changed_inputs(audited: Audited) -> Iterator[Difference]:
    """Inputs from outside the run folder; one that is not at hand is no difference."""
    for name, stated in read_sums(audited.audit / INPUT_SUMS).items():
        path = audited.run.work_folder() / name
        if path.is_file() and sha256_file(path) != stated:
            yield Difference(name, f"this input has changed since the run: {INPUT_SUMS} says {stated[:16]}")


def manifest_faults(audited: Audited) -> Iterator[Difference]:
    """The chain inputs -> outputs of every stage, and the counts along it."""
    run = audited.run
    for name in sorted(name for name in run.digests if name.endswith("manifest.json")):
        if not read_object(run.folder / name):
            yield Difference(name, "is no JSON object")
    accounted = set(run.digests.values()) | set(read_sums(audited.audit / INPUT_SUMS).values())
    accounted |= set(audited.facts.get("inputs_not_at_hand", []))
    for name, manifest in sorted(run.manifests.items()):
        yield from output_faults(run, name, manifest)
        for digest in sorted(set(stated_digests(manifest["inputs"])) - accounted):
            yield Difference(name, f"was made from a file that is nowhere: sha256 {digest[:16]}")
        if sha256_value(manifest["settings"]) != manifest["settings_sha256"]:
            yield Difference(name, "its settings are not those of its settings_sha256")
    yield from (Difference(name, fault) for name, fault in count_faults(run))


def output_faults(run: Run, name: str, manifest: dict) -> Iterator[Difference]:
    """Outputs that are absent, or have other bytes than their manifest says."""
    folder = PurePosixPath(name).parent
    for file, told in manifest["outputs"].items():
        path = (folder / file).as_posix()
        if path not in run.digests:
            yield Difference(path, f"is missing, but {name} lists it")
        elif run.digests[path] != told["sha256"]:
            yield Difference(path, f"has changed: {name} states another sha256")
        elif (run.folder / path).stat().st_size != told["bytes"]:
            yield Difference(path, f"has another size than {name} states")
