"""Move a text's noise tokens against their gradient, by many step sizes and beside controls, and say what it does.

in : a model folder; samples files of hops (`build`)
out: a folder: rows.jsonl a line a row (eval.analysis.denoising), denoising.json and denoising.csv with the means over
     rows and their intervals, manifest.json (`figures` draws them)
invariant: a run that was stopped goes on with the first row that is missing; the same inputs give the same bytes.
run: python -m eval denoise --model results/demo/models/cdt --samples samples/hops/2hop/512.jsonl --output denoising
"""

import argparse
import json
from pathlib import Path

import torch

from contracts.code_reach import code_facts
from contracts.command_line import progress
from contracts.errors import InputError
from contracts.files import atomic_text
from contracts.manifest import MANIFEST_NAME, build_manifest, describe_files, write_manifest
from contracts.settings import load_settings
from contracts.tokenizer import load_tokenizer
from eval.analysis.answers import shuffled_rows
from eval.analysis.denoising import denoised
from eval.analysis.denoising_settings import DenoisingSettings
from eval.analysis.denoising_table import denoising_records
from eval.analysis.instruments import INSTRUMENTS
from eval.analysis.measuring import readings_of
from eval.analysis.other_questions import other_rows
from eval.analysis.records import csv_text
from eval.analysis.settings import AnalysisSettings
from eval.backends.model_files import model_digest, model_name
from eval.backends.models import choose_device, load_model
from eval.backends.settings import device_type, versions
from eval.building.samples import SampleSet, read_json_lines
from eval.commands.analyse import checked_samples
from eval.inference.predictions import prediction_log


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--model", required=True, help="exported Hugging Face model folder, with its tokenizer")
    parser.add_argument("--samples", required=True, nargs="+", help="samples files of hops, written by `build`")
    parser.add_argument("--output", required=True, help="folder to write; what lies there already is gone on with")
    parser.add_argument("--settings", default="{}", help="the settings of denoising: a YAML file, or JSON text")
    parser.add_argument("--section", help="key of the settings file that holds them")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute")


def run(arguments: argparse.Namespace) -> None:
    """Denoise the rows that are missing, then write means and manifest."""
    settings = load_settings(DenoisingSettings, arguments.settings, arguments.section)
    samples = [checked_samples(path, arguments.model) for path in arguments.samples]
    description = {
        "model_name": model_name(arguments.model),
        "model_sha256": model_digest(arguments.model),
        "samples_sha256": [each.digest for each in samples],
        "device": device_type(arguments.device),
        "versions": versions("torch", "transformers"),
    }
    lines = denoised_lines(arguments, settings, samples, description)
    write_results(Path(arguments.output), settings, description, lines)


def denoised_lines(
    arguments: argparse.Namespace, settings: DenoisingSettings, samples: list[SampleSet], description: dict
) -> list[dict]:
    """A line for every row; those that are missing are computed and appended first."""
    rows = [row for each in samples for row in each.rows]
    path = Path(arguments.output) / "rows.jsonl"
    module = INSTRUMENTS[settings.instrument].module
    header = {**description, "settings": settings.model_dump(mode="json"), **code(settings)}
    with prediction_log(path, header, [row["id"] for row in rows]) as log:
        if missing := range(log.done, len(rows)):
            model = load_model(arguments.model, choose_device(arguments.device), getattr(torch, settings.dtype))
            read = readings_of(module, model, getattr(AnalysisSettings(), settings.instrument, None))
            tokenizer, wrong = load_tokenizer(arguments.model), wrong_rows(rows, settings)
            for index in progress(missing, description="denoising", unit="row"):
                others = other_rows(rows[index], tokenizer, settings.other_questions)
                line = denoised(model, rows[index], wrong[index], others, lambda row: read(row).scores, settings)
                log.append({"id": rows[index]["id"], **line})
    return read_json_lines(path)[1:]


def wrong_rows(rows: list[dict], settings: DenoisingSettings) -> list[dict]:
    """The rows with the answer of another one; as they are where no direction asks for that."""
    if "shuffled_labels" not in settings.directions:
        return rows
    if len({row["answer"] for row in rows}) < 2:
        raise InputError(
            "all rows have the same answer, so none can be shuffled; give more rows, or leave shuffled_labels out of "
            "the directions"
        )
    return shuffled_rows(rows, "other_row", settings.seed)


def code(settings: DenoisingSettings) -> dict:
    """What the lines depend on."""
    return code_facts("eval.commands.denoise:denoised_lines", INSTRUMENTS[settings.instrument].module)


def write_results(output: Path, settings: DenoisingSettings, description: dict, lines: list[dict]) -> None:
    """denoising.json, denoising.csv and the manifest."""
    records = denoising_records(lines, settings)
    counts = {
        "rows": len(lines),
        "right_before": int(sum(line["before"]["right"] for line in lines)),
        "noise_share": sum(line["noise_tokens"] for line in lines) / sum(line["tokens"] for line in lines),
        "rows_with_other_questions": sum(line["others"] > 0 for line in lines),
    }
    whole = {"model": description["model_name"], **counts, "settings": settings.model_dump(mode="json")}
    atomic_text(output / "denoising.json", json.dumps({**whole, "records": records}, indent=1, allow_nan=False) + "\n")
    atomic_text(output / "denoising.csv", csv_text(records))
    kept = [output / name for name in ("rows.jsonl", "denoising.json", "denoising.csv")]
    manifest = build_manifest(
        stage="denoising",
        inputs=description,
        outputs=describe_files(kept, output),
        settings=settings.model_dump(mode="json"),
        code=code_facts("eval.commands.denoise", INSTRUMENTS[settings.instrument].module),
        counts=counts,
        packages=("torch", "transformers", "scipy"),
        seed=settings.seed,
    )
    write_manifest(output / MANIFEST_NAME, manifest)
