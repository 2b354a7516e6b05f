"""The stages of the base model: each goes on from the one before, with one tokenizer and one shape."""

import hashlib
import json
import os
import re
import subprocess
import sys

import pytest

from contracts.settings import load_settings
from contracts.yaml_files import yaml_object
from tests.copy_of_repository import copy_of_repository
from tests.workflow.conftest import COPIED, REPOSITORY
from workflow.configuration import Configuration
from workflow.study import merged

FOLDER = REPOSITORY / "config/base"
STAGES = sorted(FOLDER.glob("stage-*.yaml"))


def configuration(path) -> Configuration:
    return load_settings(Configuration, path)


@pytest.mark.parametrize("path", STAGES, ids=lambda path: path.stem)
def test_a_stage_goes_on_from_the_model_before_it_with_the_one_tokenizer(path):
    number = int(path.stem.removeprefix("stage-"))
    stage, tokenizer = configuration(path), configuration(FOLDER / "tokenizer.yaml")
    assert stage.run == f"base-{number}"
    assert stage.tokenizer.path == f"results/{tokenizer.run}/tokenizer"
    before = f"results/base-{number - 1}/models/ce"
    assert stage.model.hugging_face == (None if number == 1 else before)
    assert stage.train.methods == ("ce",)
    assert stage.pack.length <= configuration(STAGES[0]).model.architecture.max_position_embeddings


def test_no_stage_reads_the_samples_of_another():
    seeds = [configuration(path).corpus.drills.seed for path in STAGES]
    assert len(set(seeds)) == len(seeds)


def test_texts_grow_from_stage_to_stage():
    longest = [configuration(path).corpus.drills.characters_max for path in STAGES]
    assert longest == sorted(longest)


@pytest.mark.parametrize("path", STAGES, ids=lambda path: path.stem)
def test_a_stage_on_a_gpu_is_the_same_stage_with_more_rows(path):
    files = [path, FOLDER / "gpu.yaml", *([FOLDER / "gpu-shape.yaml"] if path.stem == "stage-1" else [])]
    values = {}
    for file in files:
        values = merged(values, yaml_object(file))
    here, there = configuration(path), load_settings(Configuration, json.dumps(values))
    assert there.train.dtype == "bfloat16"
    assert there.train.global_batch_rows > here.train.global_batch_rows
    assert there.train.steps == here.train.steps
    assert there.model.hugging_face == here.model.hugging_face


def test_make_base_runs_every_stage():
    (numbers,) = re.findall(r"for stage in ([\d ]+);", (REPOSITORY / "Makefile").read_text(encoding="utf-8"))
    assert [f"stage-{number}" for number in numbers.split()] == [path.stem for path in STAGES]


def test_its_first_steps_are_those_of_the_card(tmp_path):
    """Bytes are promised on one kind of machine; on another, told by its first ten steps, losses differ by rounding."""
    folder = tmp_path / "repository"
    copy_of_repository(folder, (*COPIED, "config", "resources"))
    told = json.loads((REPOSITORY / "resources/base/card.json").read_text())["first_steps"]
    settings = folder / "config/base/stage-1.yaml"
    text, count = re.subn(r"(?m)^  steps: \d+$", f"  steps: {told['steps']}", settings.read_text())
    assert count == 1
    settings.write_text(text)
    for target, name in (("base-tokenizer/tokenizer", "tokenizer"), ("base-1/models/ce", "stage-1")):
        asked = [f"results/{target}", "--profile", "local", "--configfile", f"config/base/{name}.yaml"]
        made = subprocess.run(
            [sys.executable, "-m", "snakemake", *asked],
            cwd=folder,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert made.returncode == 0, made.stdout + made.stderr
    (metrics,) = folder.glob("results/base-1/train/ce/*/metrics.jsonl")
    lines = metrics.read_bytes().splitlines(keepends=True)
    losses = [json.loads(line)["loss"] for line in lines]
    assert losses[:: told["every"]] == pytest.approx(told["losses"], rel=0.05)
    if sha256(b"".join(lines[:10])) == told["first_ten_sha256"]:
        assert sha256(b"".join(lines)) == told["metrics_sha256"]
        weights = folder / "results/base-1/models/ce/model.safetensors"
        assert sha256(weights.read_bytes()) == told["weights_sha256"]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
