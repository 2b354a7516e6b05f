"""The hash of the code behind a command, looked up once by a whole Snakemake, however many runs its study has.

in : what a command runs, its roots
out: sha256 over all that they reach (contracts/code_reach.py); on request a record of it, .snakemake/code/<hash>.json,
     by which `python -m workflow.why` says in which definitions two hashes differ
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from contracts.code_places import module_source
from contracts.code_reach import CodeRecord, reached_code, record_digest
from contracts.files import atomic_text
from contracts.fingerprint import canonical_json

RECORDS = Path(".snakemake/code")
Definitions = dict[str, dict[str, str]]  # of one module: {definition: {part: hash}}
# What a person calls the parts of a definition.
PART_WORDS = {
    "parameters": "its parameters",
    "defaults": "a default",
    "decorators": "its decorators",
    "annotations": "an annotation that is read",
    "bases": "its bases",
    "fields": "its fields",
    "value": "its value",
    "body": "its body",
    "text": "its text",
}


@cache
def code_digest(roots: tuple[str, ...], record: bool) -> str:
    """The hash of the code behind `roots`, recorded where `record` says so."""
    code = reached_code(*roots)
    digest = record_digest(code)
    place = RECORDS / f"{digest}.json"
    if record and not place.is_file():
        atomic_text(place, canonical_json({"roots": roots, "code": code}))
    return digest


def code_changes(old_digest: str, new_digest: str) -> list[str]:
    """Which definitions differ between two hashes of code, one phrase each, as far as the old one is on record.

    A dry run writes no record of the new code: what the old one's roots reach now is looked up instead.
    """
    old, new = read_record(old_digest), read_record(new_digest)
    if not old:
        return ["which definitions is not on record"]
    try:
        now = new["code"] if new else reached_code(*old["roots"])
    except ModuleNotFoundError as error:
        return [f"{error} is gone"]
    return changed_definitions(old["code"], now) or ["which definitions is not on record"]


def read_record(digest: str) -> dict:
    """{roots, code} behind a hash, written when a run used it; empty where there is no such record."""
    path = RECORDS / f"{digest}.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return kept if "roots" in kept else {}


def changed_definitions(before: CodeRecord, now: CodeRecord) -> list[str]:
    """One phrase for each definition that two records tell apart: its file, its name, and what about it."""
    return [
        phrase
        for module in sorted(before.keys() | now.keys())
        for phrase in changes_in_module(module, before.get(module, {}), now.get(module, {}))
    ]


def changes_in_module(module: str, old: Definitions, new: Definitions) -> Iterator[str]:
    """The phrases about one module; the order of its definitions is told only where nothing else is."""
    place = file_of(module)
    differing = sorted(name for name in old.keys() | new.keys() if name and old.get(name) != new.get(name))
    for name in differing:
        if name not in new:
            yield f"{place}: {name} (is no longer reached)"
        elif name not in old:
            yield f"{place}: {name} (is reached now)"
        else:
            yield from (f"{place}: {phrase}" for phrase in changes_of_parts(name, old[name], new[name]))
    beside = differing_parts(old.get("", {}), new.get("", {}))
    for kind, _, name in (part.partition(" ") for part in beside):
        if kind == "import":
            yield f"{place}: {name} (where it is imported from)"
        elif kind == "file":
            yield f"{place.rpartition('/')[0]}/{name} (its content)"
        elif not differing:
            yield f"{place} (the order of what happens at import)"


def changes_of_parts(name: str, old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    """The phrases about one definition: methods of a class each on its own, everything else together."""
    differing = differing_parts(old, new)
    methods = [part.removeprefix("method ") for part in differing if part.startswith("method ")]
    yield from (f"{name}.{method} (its body or parameters)" for method in methods)
    if others := [PART_WORDS.get(part, part) for part in differing if not part.startswith("method ")]:
        yield f"{name} ({', '.join(others)})"


def differing_parts(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """The parts whose hashes differ, sorted."""
    return sorted(part for part in old.keys() | new.keys() if old.get(part) != new.get(part))


def file_of(module: str) -> str:
    """The path of a module's file in the repository, or where it would be."""
    try:
        return module_source(module).relative_to(module_source("contracts").parents[1]).as_posix()
    except ModuleNotFoundError:
        return module.replace(".", "/") + ".py"
