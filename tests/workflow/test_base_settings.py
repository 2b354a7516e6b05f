"""The stages of the base model: each goes on from the one before, with one tokenizer and one shape."""

import re

import pytest

from contracts.settings import load_settings
from tests.workflow.conftest import REPOSITORY
from workflow.configuration import Configuration

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


def test_make_base_runs_every_stage():
    (numbers,) = re.findall(r"for stage in ([\d ]+);", (REPOSITORY / "Makefile").read_text(encoding="utf-8"))
    assert [f"stage-{number}" for number in numbers.split()] == [path.stem for path in STAGES]
