"""The samples file of one cell: JSON lines, with a manifest beside it.

out: LENGTH.jsonl, one sample a line, each with a unique `id`; LENGTH.manifest.json with the settings, the
tokenizer's digest and the sha256 of the lines.
invariant: the same settings, books and tokenizer give the same bytes; a file that does not match its
manifest is refused.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from contracts.errors import InputError
from contracts.files import atomic_text, existing_file
from contracts.fingerprint import canonical_json, sha256_file, sha256_text
from contracts.manifest import build_manifest, write_manifest
from eval.registry import Task, known_task

CURE = "run `python -m eval build` for it"


@dataclass(frozen=True)
class Cell:
    """What a samples file holds: one task of one benchmark at one length (tokens)."""

    benchmark: str
    task: str
    length: int


@dataclass(frozen=True)
class SampleSet:
    """A samples file that matches its manifest; `digest` is the sha256 of its bytes."""

    path: Path
    rows: list[dict]
    manifest: dict
    digest: str

    @property
    def cell(self) -> Cell:
        """Benchmark, task and length that it was built for."""
        counts = self.manifest["counts"]
        return Cell(counts["benchmark"], counts["task"], counts["length"])

    @property
    def task(self) -> Task:
        """Who scores it, and what answers it."""
        return known_task(self.cell.benchmark, self.cell.task)


def manifest_path(samples: str | Path) -> Path:
    """Where the manifest of a samples file lies: 1024.jsonl -> 1024.manifest.json."""
    return Path(samples).with_suffix(".manifest.json")


def with_ids(cell: Cell, rows: list[dict]) -> list[dict]:
    """Each row with an id that names its content, so that predictions for other samples cannot pass."""
    name = f"{cell.benchmark}-{cell.task}-{cell.length}"
    return [{"id": f"{name}-{index}-{sha256_text(canonical_json(row))[:16]}", **row} for index, row in enumerate(rows)]


def write_samples(
    path: str | Path,
    *,
    cell: Cell,
    rows: list[dict],
    facts: dict,
    inputs: dict,
    settings: dict,
    code: dict[str, object],
    packages: tuple[str, ...],
) -> None:
    """Write the samples and then their manifest, each whole or not at all.

    `facts` are numbers about the samples (counts, entropies) that the scorer may need.
    """
    path = Path(path)
    atomic_text(path, "".join(canonical_json(row) + "\n" for row in with_ids(cell, rows)))
    manifest = build_manifest(
        stage=f"samples/{cell.benchmark}/{cell.task}/{cell.length}",
        inputs=inputs,
        outputs={path.name: {"sha256": sha256_file(path), "bytes": path.stat().st_size}},
        settings=settings,
        code=code,
        counts={**asdict(cell), "samples": len(rows), **facts},
        packages=packages,
        seed=settings["seed"],
    )
    write_manifest(manifest_path(path), manifest)


def read_samples(path: str | Path) -> SampleSet:
    """The samples in `path`; InputError where the file or its manifest is absent, broken or foreign."""
    path = existing_file(path, CURE)
    manifest = read_json(existing_file(manifest_path(path), CURE))
    digest = sha256_file(path)
    if manifest.get("outputs", {}).get(path.name, {}).get("sha256") != digest:
        raise InputError(f"{path}: differs from what its manifest describes; {CURE} again")
    return SampleSet(path, read_json_lines(path), manifest, digest)


def read_json(path: Path) -> dict:
    """The JSON object in a file, or one line that says where it breaks."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not valid JSON ({error}); run the step that makes it again") from None


def read_json_lines(path: Path) -> list:
    """Every line of a JSON-lines file, or one line that says which one breaks; empty lines are passed over."""
    return [value for _, value in numbered_json_lines(path)]


def numbered_json_lines(path: Path) -> Iterator[tuple[int, object]]:
    """(its number from 1, what it holds) of every line that is not empty; InputError names the first that breaks."""
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if text.strip():
                    yield number, json.loads(text)
            except (ValueError, RecursionError) as error:
                why = getattr(error, "msg", None) or getattr(error, "reason", None) or error
                raise InputError(
                    f"{path} line {number}: not valid JSON ({why}); run the step that makes it again"
                ) from None
