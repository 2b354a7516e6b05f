"""Fingerprints: sha256 of values and of files. The code behind a command has its own: contracts/code_reach.py.

Invariants: the same content gives the same digest on every machine and in every order of listing;
anything without stable bytes is refused, not stringified.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path


def canonical_json(value: object) -> str:
    """One text per value: sorted keys, no spaces, no NaN; raises TypeError for what JSON cannot hold."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def sha256_text(text: str) -> str:
    """Hex sha256 of the UTF-8 bytes of `text`."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sha256_value(value: object) -> str:
    """Hex sha256 of the canonical JSON of `value`."""
    return sha256_text(canonical_json(value))


def sha256_file(path: str | Path) -> str:
    """Hex sha256 of a file's bytes, read in 1 MiB pieces: constant memory whatever its size."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_files(paths: Iterable[Path], root: Path) -> str:
    """Hex sha256 over (path relative to `root`, sha256) of every file, sorted by path."""
    return sha256_value({str(path.relative_to(root)): sha256_file(path) for path in paths})


def first_difference(old: Mapping[str, object], new: Mapping[str, object]) -> str | None:
    """The first key (sorted, dotted) whose values differ, as `key: old -> new`; None where equal."""
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            if inner := first_difference(before, after):
                return f"{key}.{inner}"
        elif before != after:
            return f"{key}: {before!r} -> {after!r}"
    return None
