"""Write a model card in Hugging Face's form for a model of a finished run, from what the run's files say.

in : --model   an exported folder of the run (its manifest.json)
     --report  the run's report.json
     --base    what the training started from, as its users know it (a hub's name, or a folder)
     --license  SPDX or the hub's own word
     --audit   the run's audit folder, where there is one
out: README.md: a header with base model and results (`model-index`), then method and settings, data with counts, scores
     with their protocol, hardware, versions, the audit's digest, limits. Nothing in it is written by hand.
run: python -m eval card --model results/demo/models/cdt --report results/demo/report.json --base my/base \
     --license apache-2.0 --output results/demo/cards/cdt/README.md
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import yaml

from contracts.errors import InputError
from contracts.files import atomic_text, existing_file, existing_folder
from contracts.fingerprint import sha256_file
from contracts.manifest import MANIFEST_NAME
from eval.building.samples import read_json
from eval.report.comparison import HEADLINES
from eval.report.inputs import ReportData, row_of
from eval.report.tables import significant


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--model", required=True, help="exported Hugging Face folder of a finished run")
    parser.add_argument("--report", required=True, help="report.json of the run")
    parser.add_argument("--base", required=True, help="what the training started from: a hub's name, or `none`")
    parser.add_argument("--license", required=True, help="licence of the weights, e.g. apache-2.0")
    parser.add_argument("--audit", help="audit folder of the run")
    parser.add_argument("--output", required=True, help="card to write, e.g. README.md")


def run(arguments: argparse.Namespace) -> None:
    """Read the run's files, write the card."""
    folder = existing_folder(arguments.model, "name an exported model of the run")
    manifest = read_json(existing_file(folder / MANIFEST_NAME, "name a model that a run of the workflow exported"))
    numbers = read_json(existing_file(arguments.report, "let the run end first"))
    scores = [score for score in numbers["scores"] if score["model"] == folder.name]
    if not scores:
        known = sorted({score["model"] for score in numbers["scores"]})
        raise InputError(f"{arguments.report}: has no score of {folder.name}; its models: {', '.join(known) or 'none'}")
    data = ReportData(numbers["run"], scores, [], [], [], [], {})
    header = yaml.safe_dump(card_header(arguments, manifest, data), sort_keys=False, allow_unicode=True)
    body = "\n".join(card_body(arguments, manifest, numbers, data))
    atomic_text(arguments.output, f"---\n{header}---\n\n{body}\n")


def card_header(arguments: argparse.Namespace, manifest: dict, data: ReportData) -> dict:
    """What a hub reads."""
    base = {} if arguments.base == "none" else {"base_model": arguments.base}
    results = [
        {
            "task": {"type": "text-generation"},
            "dataset": {"type": score["benchmark"], "name": f"{row_of(score)}, {score['length']} tokens"},
            "metrics": [{"type": metric, "value": value, "name": f"{metric}, {score['n']} samples"}],
        }
        for score, metric, value in headline_values(data)
    ]
    return {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "license": arguments.license,
        **base,
        "tags": ["long-context", manifest["settings"]["method"]],
        "model-index": [{"name": f"{data.run}-{Path(arguments.model).name}", "results": results}],
    }


def headline_values(data: ReportData) -> Iterator[tuple[dict, str, float]]:
    """(score, metric, value) of every headline number of the model."""
    for headline in HEADLINES:
        for cell in data.cells(headline.benchmark, headline.task, headline.detector).values():
            for score in cell.values():
                value = score["metrics"][headline.metric]
                if value is not None:
                    yield score, headline.metric, round(value, 4)


def card_body(arguments: argparse.Namespace, manifest: dict, numbers: dict, data: ReportData) -> Iterator[str]:
    """What a person reads."""
    settings, counts = manifest["settings"], manifest["counts"]
    read = ", ".join(f"{counts[key]:,} {key}" for key in ("steps", "rows", "tokens"))
    start = "" if arguments.base == "none" else f" It starts from {arguments.base}."
    yield f"# {Path(arguments.model).name} ({data.run})"
    yield from ("", f"Trained by `{settings['method']}` with megatron-cdt: {read}.{start}")
    yield from ("", "## Settings", "", "```yaml", yaml.safe_dump(settings, sort_keys=False).rstrip(), "```")
    yield from ("", "## Data", "")
    yield from (f"* {name}: {counted(summary)}" for name, summary in sorted(numbers["data_summaries"].items()))
    yield from ("", "## Scores", "", *scores_table(data), "", protocol_line(data))
    yield from (
        "",
        "## Made with",
        "",
        ", ".join(f"{name} {version}" for name, version in manifest["versions"].items()),
    )
    yield from ("", f"SHA-256 of the weights: {weights_line(manifest)}.")
    if arguments.audit:
        sums = existing_file(Path(arguments.audit) / "SHA256SUMS", "make the audit first: snakemake ... audit")
        yield f"Every file of the run is in its audit; SHA-256 of its `SHA256SUMS`: `{sha256_file(sums)}`."
    yield from ("", "## Limits", "", "* What the scores do not ask for was not measured.")
    yield from (f"* {note}" for note in numbers.get("notes", []))


def counted(summary: dict) -> str:
    """The numbers of a data summary in one line."""
    numbers = {key: value for key, value in summary.items() if type(value) in (int, float)}
    return ", ".join(f"{key.replace('_', ' ')} {shown(value)}" for key, value in numbers.items())


def scores_table(data: ReportData) -> Iterator[str]:
    """Every headline number."""
    yield "| task | tokens | samples | metric | value |"
    yield "| --- | --- | --- | --- | --- |"
    for score, metric, value in headline_values(data):
        asked = f"{score['benchmark']} {row_of(score)} | {score['length']:,} | {score['n']}"
        yield f"| {asked} | {metric} | {significant(value, 4)} |"


def protocol_line(data: ReportData) -> str:
    """How the answers came about."""
    answered = next((score["answered_by"] for score in data.scores if "answered_by" in score), {})
    told = ", ".join(f"{key} {answered[key]}" for key in ("backend", "dtype", "device") if key in answered)
    return f"Answers are greedy ({told}). Hashes of the samples and every setting: report.json of the run."


def shown(value: float) -> str:
    """A count with separators, another number shortened."""
    return f"{value:,}" if isinstance(value, int) else significant(value, 4)


def weights_line(manifest: dict) -> str:
    """The hash of each file of weights."""
    files = {name: told["sha256"] for name, told in manifest["outputs"].items() if name.endswith(".safetensors")}
    return ", ".join(f"`{digest}` ({name})" for name, digest in files.items())
