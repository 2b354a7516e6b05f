"""The code that the audit was made with, and that its outputs name, is the code of the tree.

Two kinds of evidence: code.json has the hash of every source file; and a stage's output names the fingerprint of the
stage's code, which is computed again here from the tree, for the command and the modules that its job had loaded.
"""

import importlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from contracts import command_line
from contracts.fingerprint import REPOSITORY, code_fingerprint, module_source
from workflow.audit.checks.difference import Audited, Difference
from workflow.audit.checks.settings import manifest_of
from workflow.audit.provenance import code_files
from workflow.audit.run import Run, read_object


def check(audited: Audited) -> Iterator[Difference]:
    """Changed, missing and added source files; then outputs whose code is not that of the tree."""
    stated, found = read_object(audited.audit / "code.json"), code_files(audited.repository)
    for name in sorted(stated.keys() | found.keys()):
        if stated.get(name) != found.get(name):
            fault = "is missing" if name not in found else "was added" if name not in stated else "has changed"
            yield Difference(name, f"this code {fault} since the audit")
    if audited.repository.resolve() == REPOSITORY and stated == found:
        yield from fingerprint_faults(audited.run)


def fingerprint_faults(run: Run) -> Iterator[Difference]:
    """Outputs that name other code than the tree's."""
    for output, job in sorted(run.last_jobs.items()):
        named = named_code(run, output)
        loaded = run.shared_record("code", job.get("code"))
        if named and loaded:
            commands = importlib.import_module(f"{job['program']}.__main__").COMMANDS
            if named != code_fingerprint(commands[job["arguments"][0]][0], *stage_modules(loaded)):
                yield Difference(output, "was made by other code than that of the tree")


def stage_modules(loaded: Mapping[str, str]) -> list[str]:
    """The loaded modules that a stage asks for by name, or that those import.

    Packages and the entry point come with any of them: they count where the stage's own code imports them.
    """
    entry = command_line.__name__
    return [name for name in loaded if name != entry and module_source(name).name != "__init__.py"]


def named_code(run: Run, output: str) -> str | None:
    """The code fingerprint that an output, or the manifest that describes it, names."""
    manifest = manifest_of(run, output)
    if manifest:
        return run.manifests[manifest].get("code_sha256")
    path = Path(run.folder, output)
    if path.name == "score.json":
        return read_object(path).get("hashes", {}).get("code_sha256")
    if path.suffix == ".jsonl" and path.is_file():
        with open(path, encoding="utf-8") as lines:
            return json.loads(next(lines, "{}")).get("code_sha256")
    return None
