"""The base model in resources/base does what its card says, on questions of another seed."""

import argparse
import hashlib
import json

import pytest

from contracts.yaml_files import yaml_object
from eval.commands import build, generate, score
from tests.copy_of_repository import REPOSITORY

BASE = REPOSITORY / "resources/base"
SAMPLES = 20
# Percent. The questions are always the same; of a model that answers 95 %, one choice of twenty in three thousand fails
# more than five.
SLACK = 25.0


def run(command, *words: object) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args(list(map(str, words))))


def scored(folder, benchmark: str, task: str, options: dict) -> float:
    settings = json.dumps({"lengths": [256], "seed": 11, "benchmarks": {benchmark: {"samples": SAMPLES, **options}}})
    samples, predictions, result = (folder / name for name in ("samples.jsonl", "predictions.jsonl", "score.json"))
    cell = ("--benchmark", benchmark, "--task", task, "--length", 256, "--tokenizer", BASE)
    data = ("--data", f"books={REPOSITORY / 'resources/pg19'}")
    run(build, *cell, *data, "--settings", settings, "--output", samples)
    run(generate, "--model", BASE, "--samples", samples, "--output", predictions, "--device", "cpu")
    run(score, "--samples", samples, "--predictions", predictions, "--output", result)
    return json.loads(result.read_text())["score"]


def test_its_card_says_how_it_was_trained_and_by_which_audit_it_is_known():
    card = json.loads((BASE / "card.json").read_text())
    stages = sorted((REPOSITORY / "config/base").glob("stage-*.yaml"))
    steps = [yaml_object(path)["train"]["steps"] for path in stages]
    assert (card["trained"]["stages"], card["trained"]["steps"]) == (len(stages), sum(steps))
    assert card["audit"]["run"] == f"base-{len(stages)}"
    assert len(card["audit"]["sha256sums"]) == 64


def test_its_files_are_those_of_the_card():
    card = json.loads((BASE / "card.json").read_text())
    assert {name: hashlib.sha256((BASE / name).read_bytes()).hexdigest() for name in card["sha256"]} == card["sha256"]
    assert sum(path.stat().st_size for path in BASE.iterdir()) < 10e6


@pytest.mark.parametrize(
    ("benchmark", "task", "options"),
    [
        ("ruler", "niah_single_1", {"niah_single_1": {"tokens_to_generate": 16}}),
        ("stories", "1hop", {"answer": "chain"}),
        ("stories", "2hop", {"answer": "chain"}),
    ],
)
def test_it_answers_new_questions_as_often_as_the_card_says(tmp_path, benchmark, task, options):
    card = json.loads((BASE / "card.json").read_text())
    (told,) = [
        row["score"]
        for row in card["scores"]
        if (row["benchmark"], row["task"], row["length"]) == (benchmark, task, 256) and row.get("answer") != "place"
    ]
    assert scored(tmp_path, benchmark, task, options) >= told - SLACK
