"""What two runs have in common, in the order in which a run makes it, and the comparison of each artefact.

Numbers are compared by a tolerance, everything else exactly; an Outcome says the first place that differs.
Results count; what tells of a machine or an hour does not (workflow/audit/files.py says which is which), nor does
provenance: keys that hold hashes, code, versions or the names of environments say where a number came from, not what
it is; another layout has another model hash although every loss agrees. A training's folder is named after its
settings, so its records are found through the model's done.json. Weights are read without torch, tensor by tensor, so
that a model larger than the memory can be compared; an element counts relative to the largest of its tensor.
"""

import json
import math
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from workflow.audit.files import RESULTS, TRAINING_RECORDS, kind_of
from workflow.audit.run import Run

DIGEST = re.compile(r"[0-9a-f]{64}")
PROVENANCE = ("code_roots", "hashes", "manifests", "versions", "device", "run_fingerprint", "settings", "sha256", "run")
DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16, "I64": np.int64, "I32": np.int32}


@dataclass(frozen=True)
class Tolerance:
    """What two numbers may differ by: |a - b| <= relative * max(|a|, |b|) + absolute."""

    relative: float
    absolute: float

    def allows(self, a: float, b: float) -> bool:
        """Whether two numbers are close enough."""
        return abs(a - b) <= self.relative * max(abs(a), abs(b)) + self.absolute


@dataclass(frozen=True)
class Outcome:
    """`difference` is the first place beyond the tolerance, `deviation` the first place that is not equal."""

    artefact: str
    deviation: str | None = None
    difference: str | None = None
    largest: float = 0.0  # the largest relative deviation of numbers
    same_bytes: bool = True  # False where only provenance (hashes, code, versions) differs, too

    @property
    def identical(self) -> bool:
        """Equal in everything that is a result."""
        return self.deviation is None


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


def compare_weights(artefact: str, first: Path, second: Path, tolerance: Tolerance) -> Outcome:
    """Two files of other bytes; an element counts relative to the largest of its tensor."""
    a, b = Weights(first), Weights(second)
    deviation = difference = None
    largest = 0.0
    for name in sorted(a.tensors.keys() | b.tensors.keys()):
        if a.description(name) != b.description(name):
            told = f"tensor {name}: {a.description(name)} -> {b.description(name)}"
            return Outcome(artefact, deviation or told, difference or told, largest)
        left, right = a.read(name), b.read(name)
        gap, scale = float(np.max(np.abs(left - right), initial=0)), float(np.max(np.abs(left), initial=0))
        if gap:
            told = f"tensor {name}: largest difference {gap!r}, largest element {scale!r}"
            deviation = deviation or told
            largest = max(largest, gap / scale if scale else np.inf)
            if gap > tolerance.relative * scale + tolerance.absolute:
                difference = difference or told
    return Outcome(artefact, deviation, difference, largest)


class Weights:
    """One safetensors file, memory-mapped."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as handle:
            (header_bytes,) = struct.unpack("<Q", handle.read(8))
            header = json.loads(handle.read(header_bytes))
        self.tensors = {name: told for name, told in header.items() if name != "__metadata__"}
        self.data = np.memmap(path, dtype=np.uint8, mode="r", offset=8 + header_bytes)

    def description(self, name: str) -> str:
        """dtype and shape of a tensor, or that there is none."""
        told = self.tensors.get(name)
        return f"{told['dtype']} {told['shape']}" if told else "absent"

    def read(self, name: str) -> np.ndarray:
        """A tensor's elements as fp64, flat; bf16 is the upper half of an fp32."""
        told = self.tensors[name]
        start, end = told["data_offsets"]
        values = self.data[start:end].view(DTYPES[told["dtype"]])
        if told["dtype"] == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        return values.astype(np.float64)


def compare_runs(first: Run, second: Run, tolerance: Tolerance) -> Iterator[Outcome]:
    """One outcome for every artefact that either run has."""
    ours, theirs = artefacts(first), artefacts(second)
    for name in sorted(ours.keys() | theirs.keys(), key=place):
        if name not in ours or name not in theirs:
            told = f"only in {first.folder if name in ours else second.folder}"
            yield Outcome(name, told, told)
        else:
            yield compare_files(name, ours[name], theirs[name], tolerance, (first.root, second.root))


def artefacts(run: Run) -> dict[str, tuple[Path, str]]:
    """{name that both runs use: (file, sha256)}."""
    results = {name: (run.folder / name, sha) for name, sha in run.digests.items() if is_result(name)}
    for model, folder in run.trainings.items():
        for record in TRAINING_RECORDS:
            inside = (folder / record).relative_to(run.folder).as_posix()
            if inside in run.digests:
                results[f"train/{PurePosixPath(model).name}/{record}"] = (folder / record, run.digests[inside])
    return results


def is_result(name: str) -> bool:
    """Whether a file of a run is a result under a name of its own; trainings are looked up by their models."""
    kind = kind_of(name)
    return bool(kind and kind.compared)


def unknown_files(run: Run) -> list[str]:
    """Files of which nobody knows whether they are results."""
    return [name for name in run.digests if not kind_of(name)]


def place(name: str) -> tuple[int, bool, str]:
    """Where an artefact comes in a run; the records of a training come before the models."""
    of_training = name.startswith("train/")
    return RESULTS.index("model" if of_training else kind_of(name).name), not of_training, name


def compare_files(
    name: str, first: tuple[Path, str], second: tuple[Path, str], tolerance: Tolerance, roots: tuple[str, str]
) -> Outcome:
    """Equal bytes, or what their format says about their difference."""
    if first[1] == second[1]:
        return Outcome(name)
    if name.endswith(".safetensors"):
        return compare_weights(name, first[0], second[0], tolerance)
    if name.endswith((".json", ".jsonl")):
        return compare_json(name, first[0], second[0], tolerance, roots)
    return Outcome(name, "other bytes", "other bytes")
