"""The code that the audit was made with, and that its outputs name, is the code of the tree.

Two kinds of evidence: code.json has the hash of what every source file says; and a stage's output names the roots of
its code with their hash, which is computed again here from the tree.
"""

from collections.abc import Iterator

from contracts.code_places import REPOSITORY
from contracts.code_reach import code_fingerprint
from workflow.audit.provenance import code_files
from workflow.audit.run import Audited, Difference, Run, read_object


def code_faults(audited: Audited) -> Iterator[Difference]:
    """Changed, missing and added source files; then outputs whose code is not that of the tree."""
    stated, present = read_object(audited.audit / "code.json"), code_files(audited.repository)
    for name in sorted(stated.keys() | present.keys()):
        if stated.get(name) != present.get(name):
            fault = "is missing" if name not in present else "was added" if name not in stated else "has changed"
            yield Difference(name, f"this code {fault} since the audit")
    if audited.repository.resolve() == REPOSITORY and stated == present:
        yield from named_code_faults(audited.run)


def named_code_faults(run: Run) -> Iterator[Difference]:
    """Outputs whose code hash is not what their roots give now, or whose roots their command never loaded."""
    hashes: dict[tuple[str, ...], str | None] = {}
    loaded = loaded_modules(run)
    for path, facts in sorted(run.named_codes.items()):
        roots = tuple(facts.get("code_roots") or ())
        if roots not in hashes:
            hashes[roots] = hash_of_roots(roots)
        if not roots:
            yield Difference(path, "does not name the roots of its code (code_roots)")
        elif hashes[roots] is None:
            yield Difference(path, f"its code_roots are not all in the tree: {', '.join(roots)}")
        elif facts.get("code_sha256") != hashes[roots]:
            yield Difference(path, "was made by other code than that of the tree, or its code_roots are another's")
        elif foreign := [root for root in roots if root.partition(":")[0] not in loaded.get(path, {root})]:
            yield Difference(path, f"names {foreign[0]} among its code_roots, which its command has not loaded")


def hash_of_roots(roots: tuple[str, ...]) -> str | None:
    """The hash of some code of the tree; None where it is not all there."""
    try:
        return code_fingerprint(*roots)
    except ModuleNotFoundError:
        return None


def loaded_modules(run: Run) -> dict[str, set[str]]:
    """{file that names code: the modules that the jobs of its command had loaded}, as far as there are records.

    Of all jobs of a command together: one that finds its output kept by an earlier one loads less than that one did.
    """
    by_command: dict[tuple[str, str], set[str]] = {}
    for job in run.jobs:
        if modules := run.shared_record("code", job.get("code")):
            by_command.setdefault((job["program"], job["arguments"][0]), set()).update(modules)
    modules_of = {}
    for output, job in run.last_jobs.items():
        if modules := by_command.get((job["program"], job["arguments"][0])):
            modules_of[run.manifest_of(output) or output] = modules
    return modules_of
