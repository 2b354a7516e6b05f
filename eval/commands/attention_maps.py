"""Draw up what chunks of a text attend to, in models before and after a training, on the same rows.

in : models by the names that figures give them, the one before the training first; samples of hops
out: a folder: attention_maps.json (for every model and row the chunks and the map; the question's attention on chunks
     with supporting facts, means with intervals over rows), attention_maps.csv, manifest.json (`figures` draws them)
invariant: the same inputs give the same bytes; memory grows with a text's length, not with its square.
run: python -m eval attention_maps --models base=resources/base cdt=results/demo/models/cdt \
     --samples samples/hops/2hop/512.jsonl --rows 8 --chunks 24 --output maps
"""

import argparse
import json
from pathlib import Path

from contracts.code_reach import code_facts
from contracts.command_line import named_paths, natural_int, positive_int, progress
from contracts.errors import InputError
from contracts.files import atomic_text
from contracts.manifest import MANIFEST_NAME, build_manifest, describe_files, write_manifest
from eval.analysis.attention_maps import (
    PAPER_CHUNKS,
    attention_map,
    chosen_layer,
    chunks_of,
    question_on,
)
from eval.analysis.records import csv_text
from eval.analysis.table import with_intervals
from eval.backends.model_files import model_digest
from eval.backends.models import choose_device, load_model
from eval.backends.settings import device_type, versions
from eval.benchmarks.hops.score import FACT_KINDS
from eval.building.samples import SampleSet
from eval.commands.analyse import checked_samples

SEED = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "--models", nargs="+", required=True, metavar="NAME=FOLDER", help="model folders, the one before training first"
    )
    parser.add_argument("--samples", required=True, help="samples file of hops, written by `build`")
    parser.add_argument("--rows", type=positive_int, default=1, help="rows to show, from the first (default: 1)")
    parser.add_argument("--layer", type=natural_int, help="layer, from 0 (default: three quarters down, as the paper)")
    parser.add_argument(
        "--chunks", type=positive_int, default=PAPER_CHUNKS, help=f"chunks, the question included ({PAPER_CHUNKS})"
    )
    parser.add_argument("--output", required=True, help="folder to write")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")


def run(arguments: argparse.Namespace) -> None:
    """Read every row with every model and write the maps."""
    folders = named_paths(arguments.models, "--models")
    if arguments.chunks < 2:
        raise InputError("--chunks 1: the question is one of them; take at least 2")
    for folder in folders.values():
        samples = checked_samples(arguments.samples, folder)
    rows = samples.rows[: arguments.rows]
    maps = [
        {"model": name, **each}
        for name, folder in folders.items()
        for each in model_maps(arguments, name, folder, rows)
    ]
    shares = with_intervals(
        [
            (
                {"model": name, "kind": kind},
                [each["question_on"][kind] for each in maps if each["model"] == name],
            )
            for name in folders
            for kind in (*FACT_KINDS, "question", "")
        ],
        SEED,
    )
    write_results(arguments, folders, samples, maps, shares)


def model_maps(arguments: argparse.Namespace, name: str, folder: str, rows: list[dict]) -> list[dict]:
    """{"id", "layer", "chunks", "map", "question_on"} of every row as one model reads it."""
    model = load_model(folder, choose_device(arguments.device))
    layer = chosen_layer(model, arguments.layer)
    found = []
    for row in progress(rows, description=name, unit="row", total=len(rows)):
        chunks = chunks_of(row, arguments.chunks)
        map_CC = attention_map(model, row, layer, chunks)
        on = {kind: question_on(kind, map_CC, chunks) for kind in (*FACT_KINDS, "question", "")}
        shown = [vars(chunk) for chunk in chunks]
        found.append({"id": row["id"], "layer": layer, "chunks": shown, "map": map_CC.tolist(), "question_on": on})
    return found


def write_results(
    arguments: argparse.Namespace, folders: dict[str, str], samples: SampleSet, maps: list[dict], shares: list[dict]
) -> None:
    """attention_maps.json, attention_maps.csv and the manifest."""
    output = Path(arguments.output)
    whole = {"models": list(folders), "rows": len(maps) // len(folders), "maps": maps, "question_on": shares}
    atomic_text(output / "attention_maps.json", json.dumps(whole, allow_nan=False) + "\n")
    cells = [
        {
            "model": each["model"],
            "id": each["id"],
            "queries": query,
            "keys": key,
            "kind": chunk["kind"],
            "weight": weight,
        }
        for each in maps
        for query, line in enumerate(each["map"])
        for key, (weight, chunk) in enumerate(zip(line, each["chunks"], strict=True))
        if key <= query
    ]
    atomic_text(output / "attention_maps.csv", csv_text(cells))
    manifest = build_manifest(
        stage="attention_maps",
        inputs={
            "models": {name: model_digest(folder) for name, folder in folders.items()},
            "samples_sha256": samples.digest,
            "device": device_type(arguments.device),
        },
        outputs=describe_files([output / f"attention_maps.{ending}" for ending in ("json", "csv")], output),
        settings={"layer": arguments.layer, "chunks": arguments.chunks, "rows": arguments.rows},
        code=code_facts("eval.commands.attention_maps"),
        counts={"rows": whole["rows"], "models": len(folders)},
        packages=tuple(versions("torch", "transformers")),
        seed=SEED,
    )
    write_manifest(output / MANIFEST_NAME, manifest)
