"""The code that the audit was made with, and that its outputs name, is the code of the tree.

Two kinds of evidence: code.json has the hash of what every source file says; and a stage's output names the fingerprint
of its code, which is computed again here from the tree, for the command and the modules that its job had loaded.
"""

import importlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from contracts import command_line
from contracts.code_places import REPOSITORY, ROOMS, is_module, module_source
from contracts.code_reach import code_fingerprint
from contracts.code_syntax import syntax_of
from data_prep.sources import ENCODERS
from eval.registry import BENCHMARKS
from workflow.audit.checks.difference import Audited, Difference
from workflow.audit.checks.settings import manifest_of
from workflow.audit.provenance import code_files
from workflow.audit.run import Run, read_object

ENTRY = command_line.__name__


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
    """Outputs that name other code than the tree's.

    A job that finds its output kept by an earlier one loads less than that one did: what any job of a command may have
    named counts for all of them.
    """
    known: dict[str, set[str]] = {}
    seen: set[tuple[str, str]] = set()
    named: list[tuple[str, str, str]] = []
    for output, job in sorted(run.last_jobs.items()):
        code, loaded = named_code(run, output), run.shared_record("code", job.get("code"))
        if code and loaded:
            command = importlib.import_module(f"{job['program']}.__main__").COMMANDS[job["arguments"][0]][0]
            if (command, job["code"]) not in seen:
                seen.add((command, job["code"]))
                known.setdefault(command, set()).update(candidates(command, loaded))
            named.append((output, command, code))
    for output, command, code in named:
        if code not in known[command]:
            yield Difference(output, "was made by other code than that of the tree")


def candidates(command: str, loaded: Mapping[str, str]) -> Iterator[str]:
    """The fingerprints that a job may have named, with the tree's code.

    A stage fingerprints its command's module, or one that the command imports, and what those load by name. Packages
    and the entry point come with any module: they count where the stage's own code imports them.
    """
    stage = [name for name in loaded if name != ENTRY and module_source(name).name != "__init__.py"]
    imported = [name for name in imported_modules(command) if name in stage]
    by_name = set(stage) - closure(command)
    # What a module loaded by name imports comes with it.
    brought = {name for loaded_by_name in by_name for name in closure(loaded_by_name) - {loaded_by_name}}
    for root in (command, *imported):
        yield code_fingerprint(root, *sorted(by_name - brought))
    # Tokens name the module of their source and the one that encodes it, which other modules may import too.
    for source, encoder in ENCODERS.items():
        if f"data_prep.sources.{source}" in stage:
            yield code_fingerprint(command, f"data_prep.sources.{source}", encoder)
            yield code_fingerprint(command, f"data_prep.sources.{source}")
    # A task's samples and scores name the one function that made them.
    tasks = [task for benchmark in BENCHMARKS.values() for task in benchmark.tasks.values()]
    for function in sorted({name for task in tasks for name in (task.build, task.score)}):
        if function.partition(":")[0] in stage:
            yield code_fingerprint(command, function)


def imported_modules(name: str, repository: Path = REPOSITORY) -> list[str]:
    """Modules of this repository that a module imports anywhere in it, their packages included."""
    syntax = syntax_of(name, repository)
    targets = {*syntax.loads, *(target for targets in syntax.imports.values() for target in targets)}
    for made in syntax.definitions:
        targets |= {*made.loads, *(target for targets in made.imports.values() for target in targets)}
    dotted = [target.replace(":", ".").split(".") for target in targets if target.split(".")[0].split(":")[0] in ROOMS]
    prefixes = {".".join(parts[:end]) for parts in dotted for end in range(1, len(parts) + 1)}
    return sorted(prefix for prefix in prefixes if is_module(prefix, repository))


def closure(*modules: str) -> set[str]:
    """The modules that these import, directly or not, themselves included."""
    found, pending = set(), list(modules)
    while pending:
        if (name := pending.pop()) not in found:
            found.add(name)
            pending += imported_modules(name)
    return found


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
