"""The hash of the code behind a command, looked up once by a whole Snakemake, however many runs its study has.

in : the modules that a command runs
out: sha256 over all that they reach (contracts/code_reach.py); on request a record of it, .snakemake/code/<hash>.json,
     by which `python -m workflow.why` says in which definitions two hashes differ
"""

import json
from functools import cache
from pathlib import Path

from contracts.code_places import module_source
from contracts.code_reach import reached_code, record_digest
from contracts.files import atomic_text
from contracts.fingerprint import canonical_json

RECORDS = Path(".snakemake/code")
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
def code_digest(modules: tuple[str, ...], record: bool) -> str:
    """The hash of the code behind `modules`, recorded where `record` says so."""
    code = reached_code(*modules)
    digest = record_digest(code)
    place = RECORDS / f"{digest}.json"
    if record and not place.is_file():
        atomic_text(place, canonical_json({"modules": modules, "code": code}))
    return digest


def code_changes(old_digest: str, new_digest: str) -> list[str]:
    """Which definitions differ between two hashes of code, one phrase each, as far as the old one is on record.

    A dry run writes no record of the new code: what the old one's modules reach now is looked up instead.
    """
    old, new = read_record(old_digest), read_record(new_digest)
    if not old:
        return ["which definitions is not on record"]
    try:
        now = new["code"] if new else reached_code(*old["modules"])
    except ModuleNotFoundError as error:
        return [f"{error} is gone"]
    return changed_definitions(old["code"], now) or ["which definitions is not on record"]


def read_record(digest: str) -> dict:
    """{modules, code} behind a hash, written when a run used it; empty where there is no such record."""
    path = RECORDS / f"{digest}.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return kept if "modules" in kept else {}


def changed_definitions(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """One phrase for each definition that two records tell apart: its file, its name, and what about it."""
    differing = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    parts: dict[tuple[str, str], list[str]] = {}
    for key in differing:
        place, definition, part = split_key(key)
        parts.setdefault((place, definition), []).append(part)
    old, new = ({split_key(key)[:2] for key in record} for record in (before, now))
    phrases = []
    for (place, definition), changed in parts.items():
        if definition and (place, definition) not in old & new:
            how = "is no longer reached" if (place, definition) in old else "is reached now"
        elif not definition and any(other == place for other, named in parts if named):
            continue  # what comes or goes changes the order too
        else:
            how = ", ".join(PART_WORDS.get(part, part) for part in changed)
        phrases.append(f"{place}: {definition} ({how})" if definition else f"{place} ({how})")
    return phrases


def split_key(key: str) -> tuple[str, str, str]:
    """(file, definition, part) of an entry of a record."""
    if ":" not in key:
        module, _, file = key.partition("/")
        return f"{file_of(module).rpartition('/')[0]}/{file}", "", "its content"
    module, _, rest = key.partition(":")
    if rest == " order":
        return file_of(module), "", "the order of what happens at import"
    if rest.startswith("import "):
        return file_of(module), rest.removeprefix("import "), "where it is imported from"
    definition, _, part = rest.partition(" method ")
    if part:
        return file_of(module), f"{definition}.{part}", "its body or parameters"
    definition, _, part = rest.rpartition(" ")
    return file_of(module), definition, part


def file_of(module: str) -> str:
    """The path of a module's file in the repository, or where it would be."""
    try:
        return module_source(module).relative_to(module_source("contracts").parents[1]).as_posix()
    except ModuleNotFoundError:
        return module.replace(".", "/") + ".py"
