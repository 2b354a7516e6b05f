"""Measure what a model's answers rest on, token by token, and say in one table what each instrument finds.

in : a model folder; samples files of hops (`build`); which instruments
out: a folder: scores/NAME.jsonl a line a row, answers.jsonl, table.json and table.csv (shares, precision, recall, areas
     under the curve), agreement.csv, heads.csv (Table 5), by_head.csv, figure_5.csv with figure_5_points.csv, and
     manifest.json
invariant: a run that was stopped goes on with the first row that is missing; the same inputs give the same bytes.
run: python -m eval analyse --model results/demo/models/cdt --samples samples/hops/2hop/512.jsonl \
     --instruments embedding_gradient information_flow occlusion --output analysis
"""

import argparse
import json
import sys
from pathlib import Path

from contracts.code_reach import code_facts
from contracts.errors import InputError
from contracts.files import atomic_text
from contracts.fingerprint import sha256_file
from contracts.manifest import MANIFEST_NAME, build_manifest, describe_files, write_manifest
from contracts.settings import load_settings
from contracts.tokenizer import load_tokenizer
from eval.analysis.agreement import agreement_records, figure_5_points, figure_5_records
from eval.analysis.instruments import INSTRUMENTS
from eval.analysis.measuring import Measuring
from eval.analysis.records import csv_text
from eval.analysis.settings import AnalysisSettings
from eval.analysis.table import by_head_records, head_records, instrument_records
from eval.backends.model_files import claimed_window
from eval.building.samples import SampleSet, read_samples

# The tables that are in table.json and a CSV file each; those that are long are a CSV file only.
TABLES = ("table", "agreement", "heads", "figure_5")
LONG_TABLES = ("by_head", "figure_5_points")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--model", required=True, help="exported Hugging Face model folder, with its tokenizer")
    parser.add_argument("--samples", required=True, nargs="+", help="samples files of hops, written by `build`")
    parser.add_argument(
        "--instruments", nargs="+", choices=tuple(INSTRUMENTS), help="instruments (default: those of the settings)"
    )
    parser.add_argument("--output", required=True, help="folder to write; what lies there already is gone on with")
    parser.add_argument("--settings", default="{}", help="the analysis settings: a YAML file, or JSON text")
    parser.add_argument("--section", help="key of the settings file that holds them, e.g. analysis")
    parser.add_argument(
        "--predictions", help="lines {id, prediction} that say which answers are right (default: the model is asked)"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")


def run(arguments: argparse.Namespace) -> None:
    """Measure what is missing, then write the tables."""
    settings = load_settings(AnalysisSettings, arguments.settings, arguments.section)
    if arguments.instruments:
        settings = settings.model_copy(update={"instruments": tuple(dict.fromkeys(arguments.instruments))})
    samples = tuple(checked_samples(path, arguments.model) for path in arguments.samples)
    measuring = Measuring(
        arguments.model, arguments.device, settings, samples, Path(arguments.output), arguments.predictions
    )
    tables = measured_tables(measuring)
    write_tables(measuring, tables)


def checked_samples(path: str, model: str) -> SampleSet:
    """The samples in `path`; InputError unless they are hops' and of the model's tokenizer; a warning where long."""
    samples = read_samples(path)
    if samples.task.answer != "detection":
        raise InputError(f"{path}: its tokens have no kinds; build samples of the benchmark hops")
    if load_tokenizer(model).digest != samples.manifest["inputs"]["tokenizer_digest"]:
        raise InputError(f"{model}: its tokenizer did not make {path}; build samples with it")
    window = claimed_window(model)
    if window is not None and samples.cell.length > window:
        print(f"warning: {path}: {samples.cell.length} tokens exceed the model's window of {window}", file=sys.stderr)
    return samples


def measured_tables(measuring: Measuring) -> dict[str, list[dict]]:
    """{table: its records}; the scores are kept as they come."""
    settings, rows = measuring.settings, measuring.rows
    answers = measuring.answers()
    scores = {name: measuring.scores(name) for name in settings.instruments}
    shuffled = {
        name: measuring.scores(name, shuffled=True) for name in settings.instruments if settings.control != "none"
    }
    table = [
        record
        for labels, found in (("true", scores), ("shuffled", shuffled))
        for name, lines in found.items()
        for record in instrument_records(
            name, rows, lines, answers, labels=labels, top=settings.top, seed=settings.seed
        )
    ]
    heads = [
        record
        for name, lines in scores.items()
        for record in head_records(name, lines, answers, settings.top_heads, settings.seed)
    ]
    points = list(figure_5_points(rows, scores))
    return {
        "answers": answers,
        "table": table,
        "agreement": agreement_records(rows, scores, settings.seed),
        "heads": heads,
        "figure_5": figure_5_records(points, settings.seed),
        "by_head": [record for name, lines in scores.items() for record in by_head_records(name, rows, lines)],
        "figure_5_points": points,
    }


def write_tables(measuring: Measuring, tables: dict[str, list[dict]]) -> None:
    """table.json, a CSV file for each table, and the manifest."""
    output, answers = measuring.output, tables["answers"]
    right = sum(answer["right"] for answer in answers)
    counts = {"rows": len(answers), "right": right, "wrong": len(answers) - right}
    whole = {"model": measuring.description["model_name"], **counts, **{name: tables[name] for name in TABLES}}
    atomic_text(output / "table.json", json.dumps(whole, indent=1, allow_nan=False) + "\n")
    written = [output / "table.json"]
    for name in (*TABLES, *LONG_TABLES):
        path = output / f"{name}.csv"
        path.unlink(missing_ok=True)
        if tables[name]:
            atomic_text(path, csv_text(tables[name]))
            written.append(path)
    chosen = measuring.settings.instruments
    kept = [output / "scores" / f"{name}{ending}.jsonl" for name in chosen for ending in ("", ".shuffled")]
    kept = [path for path in (*kept, output / "answers.jsonl") if path.is_file()]
    given = {"predictions": sha256_file(measuring.predictions)} if measuring.predictions else {}
    manifest = build_manifest(
        stage="analysis",
        inputs={**measuring.description, **given},
        outputs=describe_files([*written, *kept], output),
        settings=measuring.settings.model_dump(mode="json"),
        code=code_facts("eval.commands.analyse", *sorted({INSTRUMENTS[name].module for name in chosen})),
        counts=counts,
        packages=("torch", "transformers", "scipy"),
        seed=measuring.settings.seed,
    )
    write_manifest(output / MANIFEST_NAME, manifest)
