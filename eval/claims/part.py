"""What one finished run leaves of a study: scores and losses in one small file, with the hashes of their sources.

in : --run     the folder of a run that was audited (`snakemake ... audit`)
     --output  the folder of the part, e.g. docs/claims/scaling-1
out: part.json: {"run", "files": {path in the run: sha256}, "cells": [...], "trainings": {name: {...}}}, and the audit's
     SHA256SUMS and run.json beside it
invariant: every file that a number comes from stands in SHA256SUMS with the hash that it had when it was read.
run: python -m eval part --run results/claims-scaling-1 --output docs/claims/scaling-1
"""

import argparse
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median_high

from contracts.errors import InputError
from contracts.files import atomic_folder, atomic_text, existing_file
from contracts.fingerprint import sha256_file
from eval.building.samples import read_json, read_json_lines
from eval.report.inputs import Curve, read_score, read_words

# Names of the numbers of a hops row that the study asks for.
DETECTION = ("auc_supporting", "auc_supporting_against_interference")
KEPT_OF_AUDIT = ("SHA256SUMS", "run.json")
# Of the last steps' mean; a single step's loss is its two rows'.
LAST_STEPS = 20


@dataclass(frozen=True)
class Part:
    """One run of a study: `cells` by (model, benchmark, task, length, detector), values per sample in order."""

    run: str
    files: dict[str, str]
    cells: list[dict]
    trainings: dict[str, dict]

    def values(self, model: str, benchmark: str, task: str, length: int, **more: str) -> list[float] | None:
        """The values of a cell, one a sample; None where the part has no such cell."""
        wanted = {"model": model, "benchmark": benchmark, "task": task, "length": length, **more}
        return next((cell["values"] for cell in self.cells if wanted.items() <= cell.items()), None)

    @property
    def models(self) -> list[str]:
        """Names of the models, in the order of the run."""
        return list(dict.fromkeys(cell["model"] for cell in self.cells))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--run", required=True, help="folder of an audited run, e.g. results/claims-scaling-1")
    parser.add_argument("--output", required=True, help="folder of the part, e.g. docs/claims/scaling-1")


def run(arguments: argparse.Namespace) -> None:
    """Read the run, write the part."""
    folder = Path(arguments.run)
    for name in KEPT_OF_AUDIT:
        existing_file(folder / "audit" / name, "make the run's audit first: snakemake ... audit")
    part = part_of(folder)
    with atomic_folder(arguments.output) as temporary:
        atomic_text(temporary / "part.json", json.dumps(part.__dict__, sort_keys=True, allow_nan=False) + "\n")
        for name in KEPT_OF_AUDIT:
            shutil.copyfile(folder / "audit" / name, temporary / name)
        read_part(temporary)


def part_of(folder: Path) -> Part:
    """The numbers of a run; InputError where it has no score."""
    scores, trainings = sorted(folder.glob("eval/**/score.json")), newest_trainings(folder)
    looked_at = sorted(path for name in ("table", "denoising") for path in folder.glob(f"analysis/*/*/*/*/{name}.json"))
    if not scores:
        raise InputError(f"{folder}: no score.json below eval/; let the run end first")
    read = [
        *scores,
        *looked_at,
        *(path / name for path in trainings.values() for name in ("metrics.jsonl", "validation.jsonl")),
    ]
    return Part(
        run=folder.name,
        files={str(path.relative_to(folder)): sha256_file(path) for path in read if path.is_file()},
        cells=[
            *(cell for path in scores for cell in cells_of_score(read_score(str(path)))),
            *(cell for path in looked_at for cell in cells_of_analysis(path)),
        ],
        trainings={name: training_of(name, path) for name, path in sorted(trainings.items())},
    )


def newest_trainings(folder: Path) -> dict[str, Path]:
    """{name: run folder} of the training that each model of the run comes from."""
    folders = {}
    for done in sorted(folder.glob("models/*/done.json")):
        runs = sorted((folder / "train" / done.parent.name).glob("run-*"), key=lambda path: path.stat().st_mtime)
        if not runs:
            raise InputError(f"{done.parent}: its training is not in {folder / 'train'}; keep the run whole")
        folders[done.parent.name] = runs[-1]
    return folders


def cells_of_score(score: dict) -> Iterator[dict]:
    """The values per sample of one score.json; a detection has one cell for each of its numbers."""
    cell = {key: score[key] for key in ("model", "benchmark", "task", "length", "detector") if score.get(key)}
    if score["benchmark"] == "hops":
        for number in DETECTION:
            yield {**cell, "number": number, "values": [row[number] for row in score["rows"]]}
    elif score["benchmark"] == "perplexity":
        yield {**cell, "values": [row["nats_per_token"] for row in score["rows"]]}
    else:
        yield {**cell, "values": score["per_sample"]}


def cells_of_analysis(path: Path) -> Iterator[dict]:
    """One value a cell: how alike the IG score and the gradient rank tokens, or by how much attention on facts grew.

    The growth is the largest over all step sizes, after over before, a cell for each thing that was moved.
    """
    model, task, length = path.parts[-4:-1]
    cell = {"model": model, "benchmark": "analysis", "task": task, "length": int(length)}
    found = read_json(path)
    for record in found.get("figure_5", []):
        if (record["kind"], record["measure"]) == ("all", "spearman"):
            yield {**cell, "number": "flow_and_gradient", "detector": "gradient", "values": [record["value"]]}
    growth: dict[str, float] = {}
    for record in found.get("records", []):
        if record["measure"] == "attention.supporting" and record["before"]:
            direction = record["direction"]
            growth[direction] = max(growth.get(direction, 0.0), record["after"] / record["before"])
    for direction, value in growth.items():
        yield {**cell, "number": "attention_growth", "detector": direction, "values": [value]}


def training_of(name: str, folder: Path) -> dict:
    """What a training was, and where it ended: losses are those before anything is moved (nats per token)."""
    validation = folder / "validation.jsonl"
    steps = read_json_lines(existing_file(folder / "metrics.jsonl", "keep the run's training folders"))
    curve = Curve(
        name, steps, read_json_lines(validation) if validation.is_file() else [], read_words(folder / "telemetry.json")
    )
    settings = read_json(existing_file(folder / "settings.json", "keep the run's training folders"))
    losses = curve.plain_losses()[1]
    return {
        "method": settings["method"],
        "settings": settings.get(settings["method"], {}),
        "steps": len(steps),
        "tokens": steps[-1]["consumed_tokens"],
        "last_loss": sum(losses[-LAST_STEPS:]) / len(losses[-LAST_STEPS:]),
        "validation": curve.validation[-1] if curve.validation else None,
        **{
            name: median_high(curve.values(name)[1])
            for name in ("relative_shift", "noise_share")
            if curve.values(name)[1]
        },
    }


def read_part(folder: Path) -> Part:
    """A part, its files checked against its audit; InputError names the first that is another."""
    values = read_json(existing_file(folder / "part.json", "make it with `python -m eval part`"))
    sums = existing_file(folder / "SHA256SUMS", "make the part again with `python -m eval part`")
    # The audit lies in the run: its paths begin with ../
    known = dict(reversed(line.split("  ", 1)) for line in sums.read_text(encoding="utf-8").splitlines())
    for path, digest in values["files"].items():
        if known.get(f"../{path}") != digest:
            raise InputError(f"{folder}: {path} is not what the audit says; audit the run again, then make the part")
    return Part(**values)
