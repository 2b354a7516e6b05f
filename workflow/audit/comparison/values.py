"""Comparing JSON: numbers by a tolerance, everything else exactly; what names provenance is no result.

Keys that hold hashes, code, versions or the names of environments say where a number came from, not what it is:
another layout has another model hash although every loss agrees.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from workflow.audit.comparison.outcome import Outcome, Tolerance

DIGEST = re.compile(r"[0-9a-f]{64}")
PROVENANCE = ("code_roots", "hashes", "manifests", "versions", "device", "run_fingerprint", "settings", "sha256", "run")


def compare_json(
    artefact: str, first: Path, second: Path, tolerance: Tolerance, roots: tuple[str, str] = ("", "")
) -> Outcome:
    """Two JSON or JSON-lines files of other bytes; `roots` are what their runs are called in paths."""
    return judge(artefact, differing_leaves(read_any(first, roots[0]), read_any(second, roots[1])), tolerance)


def read_any(path: Path, root: str) -> object:
    """A JSON file's value, paths relative to the run; of JSON lines a list of their values."""
    text = path.read_text(encoding="utf-8")
    text = text.replace(f"{root}/", "") if root else text
    return [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else json.loads(text)


def judge(artefact: str, leaves: Iterator[tuple[str, object, object]], tolerance: Tolerance) -> Outcome:
    """The outcome of leaves that are not equal."""
    deviation = difference = None
    largest = 0.0
    for place, a, b in leaves:
        told = f"{place}: {shown(a)} -> {shown(b)}"
        deviation = deviation or told
        if is_number(a) and is_number(b):
            largest = max(largest, abs(a - b) / max(abs(a), abs(b)))
            if tolerance.allows(a, b):
                continue
        difference = difference or told
    return Outcome(artefact, deviation, difference, largest, same_bytes=False)


def differing_leaves(a: object, b: object, place: str = "") -> Iterator[tuple[str, object, object]]:
    """(place, a, b) of every pair of values that are not equal, in order; a line of a training's record is a step."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in [*a, *(key for key in b if key not in a)]:
            if not is_provenance(key):
                yield from differing_leaves(a.get(key), b.get(key), f"{place} {key}".strip())
    elif isinstance(a, list) and isinstance(b, list):
        for index, (left, right) in enumerate(zip(a, b, strict=False)):
            yield from differing_leaves(left, right, f"{place} {name_of(left, index)}".strip())
        if len(a) != len(b):
            yield f"{place} entries".strip(), len(a), len(b)
    elif a != b and not (is_digest(a) and is_digest(b)):
        yield place, a, b


def name_of(entry: object, index: int) -> str:
    """How a person calls an entry of a list: its step, its id, or its place."""
    if isinstance(entry, Mapping) and "step" in entry:
        return f"step {entry['step']}"
    if isinstance(entry, Mapping) and "id" in entry:
        return str(entry["id"])
    return f"[{index}]"


def is_provenance(key: str) -> bool:
    """Whether a key says where a result came from."""
    return key in PROVENANCE or key.endswith("_sha256")


def is_digest(value: object) -> bool:
    """Whether a value is a sha256: of what it speaks, the artefact itself is compared."""
    return isinstance(value, str) and bool(DIGEST.fullmatch(value))


def is_number(value: object) -> bool:
    """A finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def shown(value: object) -> str:
    """A value in a sentence: numbers at full precision, texts cut."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
