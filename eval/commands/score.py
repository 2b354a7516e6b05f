"""Score predictions: those of a samples file, or predictions from anywhere that carry their answers.

in : a samples file with its manifest and its predictions (of `generate`; for gradients of `megatron_cdt detect`), or
     --benchmark, --task and a JSON-lines file whose lines hold {"prediction", "answers"} and what the metric needs
out: score.json: score (0 to 100), n, per_sample (0 to 1), every number at full precision, the hashes of what it scored
invariant: predictions for other samples are refused; the same predictions give the same score on both ways.
run: python -m eval score --samples samples/ruler/vt/1024.jsonl --predictions predictions.jsonl --output score.json
     python -m eval score --benchmark ruler --task vt --predictions mine.jsonl --output score.json
"""

import argparse
import json
from dataclasses import asdict

from contracts.code_reach import code_facts
from contracts.command_line import named_paths
from contracts.errors import InputError
from contracts.files import atomic_text, existing_file
from contracts.fingerprint import sha256_file
from contracts.settings import load_settings
from eval.backends.model_files import model_digest, model_name
from eval.building.samples import SampleSet, read_json_lines, read_samples
from eval.cells import SCORING
from eval.inference.predictions import answered_lines, check_identities, read_predictions
from eval.registry import BENCHMARKS, Task, function_at, known_benchmark, known_task
from eval.scoring.scored import Scored


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--samples", help="samples file written by `build`")
    parser.add_argument("--benchmark", help=f"without --samples: whose metric, one of {', '.join(BENCHMARKS)}")
    parser.add_argument("--task", help="without --samples: which task's metric")
    parser.add_argument(
        "--predictions", required=True, help="output of `generate` or `megatron_cdt detect`, or your own"
    )
    parser.add_argument("--output", required=True, help="score file to write (JSON)")
    parser.add_argument(
        "--data",
        nargs="*",
        default=[],
        metavar="KEY=PATH",
        help="models that judge, where the metric asks one: judge, nli (default: a stand-in that the score names)",
    )
    parser.add_argument(
        "--settings",
        default="{}",
        help="the benchmark's section `scoring`, if it has one: a YAML file, or JSON text",
    )
    parser.add_argument("--model", help="model folder that `detect` read, for its digest and name (gradients only)")
    parser.add_argument("--model-name", help="name of the model in the report (default: its folder's name)")


def run(arguments: argparse.Namespace) -> None:
    """Score one cell and write it."""
    result = scored_cell(arguments) if arguments.samples else scored_lines(arguments)
    atomic_text(arguments.output, json.dumps(result, indent=1, sort_keys=True, allow_nan=False) + "\n")


def scored_cell(arguments: argparse.Namespace) -> dict:
    """The score of a cell's predictions, with what it was made from."""
    samples = read_samples(arguments.samples)
    header, predictions = answers(arguments.predictions, samples, arguments.model)
    rows = [sample | prediction for sample, prediction in zip(samples.rows, predictions, strict=True)]
    name = arguments.model_name or header.get("model_name")
    if name is None:
        raise InputError(f"{arguments.predictions} does not name its model; add --model FOLDER or --model-name NAME")
    judging, scoring = judges(arguments, samples.task), scoring_of(arguments, samples.cell.benchmark)
    facts = samples.manifest["counts"] | judging | scoring
    return {
        **asdict(samples.cell),
        "model": name,
        "inference": header.get("inference", "dense"),
        **({"detector": header.get("detector", "gradient")} if samples.task.answer == "detection" else {}),
        **numbers(score_rows(samples.task, samples.cell.task, rows, facts)),
        "answered_by": header,
        "settings": samples.manifest["settings"],
        **scoring,
        "samples_made_from": samples.manifest["inputs"],
        "hashes": {"samples_sha256": samples.digest, **hashes(arguments.predictions, samples.task, judging)},
    }


def scored_lines(arguments: argparse.Namespace) -> dict:
    """The score of predictions that carry their answers; InputError names the first line that does not."""
    if not (arguments.benchmark and arguments.task):
        raise InputError("give --samples FILE, or --benchmark and --task for predictions that carry their answers")
    task = known_task(arguments.benchmark, arguments.task)
    if task.answer != "text":
        raise InputError(f"{arguments.benchmark} is scored with its samples; give --samples FILE")
    rows = answered_lines(arguments.predictions)
    judging, scoring = judges(arguments, task), scoring_of(arguments, arguments.benchmark)
    return {
        "benchmark": arguments.benchmark,
        "task": arguments.task,
        "model": arguments.model_name,
        **numbers(score_rows(task, arguments.task, rows, judging | scoring)),
        **scoring,
        "hashes": hashes(arguments.predictions, task, judging),
    }


def judges(arguments: argparse.Namespace, task: Task) -> dict[str, str]:
    """{key: model folder} of the models that the scorer asks; InputError names one that the task has no use for."""
    given = named_paths(arguments.data, "--data")
    if unknown := sorted(set(given) - set(task.judges)):
        raise InputError(
            f"--data {unknown[0]}: this task is scored without it; known: {', '.join(task.judges) or 'none'}"
        )
    return given


def scoring_of(arguments: argparse.Namespace, benchmark: str) -> dict:
    """{"scoring": the settings of the benchmark's scorer}; nothing where the benchmark has none."""
    if place := known_benchmark(benchmark).scoring:
        return {SCORING: load_settings(function_at(place), arguments.settings).model_dump(mode="json")}
    if arguments.settings.strip() != "{}":
        raise InputError(f"--settings: {benchmark} is scored in one way only; leave the option out")
    return {}


def score_rows(task: Task, name: str, rows: list[dict], facts: dict) -> Scored:
    """What the task's scorer says of samples with their predictions; `facts`: the builder's numbers, and the judges."""
    return function_at(task.score)(name, rows, facts)


def numbers(scored: Scored) -> dict:
    """The scorer's numbers as score.json holds them."""
    return {
        "score": scored.score,
        "n": len(scored.rows),
        "per_sample": scored.per_sample,
        **scored.headline,
        "metrics": scored.metrics,
        "rows": scored.rows,
    }


def hashes(predictions: str, task: Task, judging: dict[str, str]) -> dict:
    """Digests of the predictions, of the code that scored them (with its roots), and of the models that judged."""
    return {
        **{f"{key}_sha256": model_digest(folder) for key, folder in judging.items()},
        "predictions_sha256": sha256_file(predictions),
        **code_facts("eval.commands.score", task.score),
    }


def answers(path: str, samples: SampleSet, model: str | None) -> tuple[dict, list[dict]]:
    """(header, predictions); `detect` writes no header: its lines prove by their ids what they answer, and the
    caller says which model it read.
    """
    if samples.task.answer != "detection":
        return read_predictions(path, samples)
    rows = read_json_lines(existing_file(path, "run the detector for it: `megatron_cdt detect` or `eval generate`"))
    if rows and "samples_sha256" in rows[0]:
        return read_predictions(path, samples)
    check_identities(path, rows, samples)
    if model is None:
        return {}, rows
    return {"model_name": model_name(model), "model_sha256": model_digest(model)}, rows
