"""Every manifest's outputs lie beside it as stated, its inputs are known files, its sums add up."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from contracts.fingerprint import sha256_value
from workflow.audit.checks.difference import Audited, Difference
from workflow.audit.checks.hashes import INPUT_SUMS
from workflow.audit.lineage import count_faults, stated_digests
from workflow.audit.run import Run, read_object
from workflow.audit.sums import read_sums


def check(audited: Audited) -> Iterator[Difference]:
    """The chain inputs -> outputs of every stage, and the counts along it."""
    run = audited.run
    for name in sorted(name for name in run.digests if name.endswith("manifest.json")):
        if not read_object(run.folder / name):
            yield Difference(name, "is no JSON object")
    known = set(run.digests.values()) | set(read_sums(audited.audit / INPUT_SUMS).values())
    known |= set(audited.facts.get("inputs_not_at_hand", []))
    for name, manifest in sorted(run.manifests.items()):
        yield from output_faults(run, name, manifest)
        for digest in sorted(set(stated_digests(manifest["inputs"])) - known):
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
