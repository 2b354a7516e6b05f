"""From the scores of one model on one benchmark to the numbers of its tables.

in : score.json of every cell of one (model, inference or detector, benchmark)
out: aggregate.json: the benchmark's own averages, and the digests of the scores that they rest on
invariant: scores of different models, methods of inference, detectors or benchmarks are never averaged.
run: python -m eval aggregate --scores results/demo/eval/cdt/dense/ruler/*/*/score.json --output aggregate.json
"""

import argparse
import json

from contracts.errors import InputError
from contracts.files import atomic_text, existing_file
from contracts.fingerprint import sha256_file
from eval.building.samples import read_json
from eval.registry import function_at, known_benchmark

SAME = ("model", "inference", "detector", "benchmark")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--scores", nargs="+", required=True, metavar="FILE", help="score.json of every cell")
    parser.add_argument("--output", required=True, help="aggregate file to write (JSON)")


def run(arguments: argparse.Namespace) -> None:
    """Aggregate and write."""
    scores = [read_json(existing_file(path, "run `python -m eval score` for it")) for path in arguments.scores]
    whose = common_owner(arguments.scores, scores)
    result = {
        **whose,
        "aggregate": function_at(known_benchmark(whose["benchmark"]).aggregate)(scores),
        "scores": {path: sha256_file(path) for path in sorted(arguments.scores)},
    }
    atomic_text(arguments.output, json.dumps(result, indent=1, sort_keys=True, allow_nan=False) + "\n")


def common_owner(paths: list[str], scores: list[dict]) -> dict:
    """{model, inference, benchmark} that all scores share, and their detector where one answered; InputError names the
    first that differs.
    """
    first = {key: scores[0].get(key) for key in SAME if key != "detector" or "detector" in scores[0]}
    for path, score in zip(paths, scores, strict=True):
        for key in SAME:
            if score.get(key) != first.get(key):
                raise InputError(
                    f"{path}: its {key} is {score.get(key)}, that of {paths[0]} is {first.get(key)}; give the scores "
                    "of one model, one method of inference (or detector) and one benchmark"
                )
    return first
