"""No needle value that the base model's card or the demo asks for occurs in what their models were trained on.

Stories need no such look: those that are asked are kept from every training by their hash (contracts.held_out).
"""

import argparse
import json
import re
from itertools import product
from pathlib import Path

import pytest

from contracts.settings import load_settings
from data_prep.sources.source import open_source
from eval.commands import build
from tests.copy_of_repository import REPOSITORY
from workflow.configuration import Configuration

BASE = REPOSITORY / "resources/base"
DEMO = REPOSITORY / "config/demo.yaml"
STAGES = [REPOSITORY / "config/base/tokenizer.yaml", *sorted((REPOSITORY / "config/base").glob("stage-*.yaml"))]
VALUE = re.compile(r"\b\d{7}\b")


def trained_values(path: Path) -> set[str]:
    """The needle values in the training samples that a configuration generates."""
    source = open_source(load_settings(Configuration, path).corpus, "train")
    return {
        value
        for shard in source.shards(2**40)
        for sample in source.records(shard)
        if sample.id.startswith("needles")
        for value in VALUE.findall(sample.text)
    }


def asked_values(folder: Path, settings: dict) -> set[str]:
    """The answers of the needle questions that an `eval` section asks at its lengths."""
    values = set()
    for task, length in product(settings["benchmarks"]["ruler"]["tasks"], settings["lengths"]):
        output = folder / f"{task}-{length}.jsonl"
        parser = argparse.ArgumentParser()
        build.add_arguments(parser)
        words = ["--benchmark", "ruler", "--task", task, "--length", str(length), "--tokenizer", str(BASE)]
        words += ["--settings", json.dumps(settings), "--output", str(output)]
        build.run(parser.parse_args(words))
        rows = map(json.loads, output.read_text().splitlines())
        values |= {value for row in rows for answer in row.get("answers", []) for value in VALUE.findall(answer)}
    return values


@pytest.fixture(scope="module")
def values_of_the_base() -> set[str]:
    return set().union(*map(trained_values, STAGES))


def card_settings() -> dict:
    """How the card's needles were asked."""
    rows = [row for row in json.loads((BASE / "card.json").read_text())["scores"] if row["benchmark"] == "ruler"]
    (task,), (seed,), (samples,) = ({row[key] for row in rows} for key in ("task", "seed", "samples"))
    own = {"tasks": [task], "samples": samples, "niah_single_1": {"tokens_to_generate": 16}}
    return {"lengths": [row["length"] for row in rows], "seed": seed, "benchmarks": {"ruler": own}}


def test_the_card_asks_for_no_value_that_the_base_was_trained_on(tmp_path, values_of_the_base):
    asked = asked_values(tmp_path, card_settings())
    assert len(asked) >= 79
    assert len(values_of_the_base) > 30_000
    assert not asked & values_of_the_base


def test_the_demo_asks_for_no_value_that_its_models_were_trained_on(tmp_path, values_of_the_base):
    asked = asked_values(tmp_path, load_settings(Configuration, DEMO).eval.model_dump(mode="json"))
    assert len(asked) >= 20
    assert not asked & (values_of_the_base | trained_values(DEMO))
