"""Score predictions against their samples.

in : a samples file with its manifest; its predictions (for hops: the output of `megatron_cdt detect`)
out: score.json with every number at full precision, per cell and per sample, and the hashes of what it scored
invariant: predictions for other samples are refused.
run: python -m eval score --samples samples/vt/1024.jsonl --predictions predictions.jsonl --output score.json
"""

import argparse
import importlib
import json
from pathlib import Path

from contracts.errors import InputError
from contracts.files import atomic_text, existing_file
from contracts.fingerprint import code_fingerprint, sha256_file
from eval.model_files import model_digest
from eval.predictions import check_identities, read_predictions
from eval.registry import known_task
from eval.samples import SampleSet, read_json_lines, read_samples


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--samples", required=True, help="samples file written by `build`")
    parser.add_argument("--predictions", required=True, help="output of `generate`; for hops, of `megatron_cdt detect`")
    parser.add_argument("--output", required=True, help="score file to write (JSON)")
    parser.add_argument("--model", help="model folder that `detect` read, for its digest and name (hops only)")
    parser.add_argument("--model-name", help="name of the model in the report (default: its folder's name)")


def run(arguments: argparse.Namespace) -> None:
    """Score one cell and write it."""
    samples = read_samples(arguments.samples)
    task = known_task(samples.task)
    header, predictions = answers(arguments.predictions, samples, arguments.model)
    scored = importlib.import_module(task.score_module).score(samples, predictions)
    name = arguments.model_name or header.get("model_name")
    if name is None:
        raise InputError(f"{arguments.predictions} does not name its model; add --model FOLDER or --model-name NAME")
    result = {
        "task": samples.task,
        "length": samples.length,
        "model": name,
        "samples": len(samples.rows),
        "metrics": scored.metrics,
        "rows": scored.rows,
        "answered_by": header,
        "settings": samples.manifest["settings"],
        "samples_made_from": samples.manifest["inputs"],
        "hashes": {
            "samples_sha256": samples.digest,
            "predictions_sha256": sha256_file(arguments.predictions),
            "code_sha256": code_fingerprint("eval.score_command", task.score_module),
        },
    }
    atomic_text(arguments.output, json.dumps(result, indent=1, sort_keys=True, allow_nan=False) + "\n")


def answers(path: str, samples: SampleSet, model: str | None) -> tuple[dict, list[dict]]:
    """(header, predictions); `detect` writes no header: its lines prove by their ids what they answer, and the
    caller says which model it read.
    """
    if known_task(samples.task).answer != "norms":
        return read_predictions(path, samples)
    rows = read_json_lines(existing_file(path, "run `python -m megatron_cdt detect` for it"))
    check_identities(path, rows, samples)
    if model is None:
        return {}, rows
    return {"model_name": Path(model).resolve().name, "model_sha256": model_digest(model)}, rows
