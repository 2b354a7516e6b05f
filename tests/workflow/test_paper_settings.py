"""The paper's three settings (Tables 6 to 8): valid, with the tables' values; absent data are one line."""

import json

import jsonschema
import pytest
import yaml

from contracts.settings import load_settings
from tests.workflow.conftest import REPOSITORY
from workflow.configuration import Configuration
from workflow.schemas.generate import SCHEMA

FOLDER = REPOSITORY / "config/paper"
# Of the tables: steps, rows of a step that hold its samples, tokens of a row, tokens consumed.
TABLES = {"cws": (160, 64, 64000, 0.65e9), "lm": (320, 32, 64000, 0.65e9), "sft": (250, 16, 131072, 0.53e9)}
BACKBONES = {"cws": "Meta-Llama-3-8B", "lm": "Meta-Llama-3.1-8B", "sft": "Meta-Llama-3.1-8B-Instruct"}


def configuration(name: str) -> Configuration:
    return load_settings(Configuration, FOLDER / f"{name}.yaml")


def test_there_is_a_file_for_each_setting_of_the_paper():
    assert {path.stem for path in FOLDER.iterdir()} == set(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_the_schema_accepts_it(name):
    jsonschema.validate(yaml.safe_load((FOLDER / f"{name}.yaml").read_text()), json.loads(SCHEMA.read_text()))


@pytest.mark.parametrize("name", TABLES)
def test_it_has_the_values_that_the_three_tables_share(name):
    settings = configuration(name)
    train = settings.train
    assert (train.learning_rate, train.adam_betas) == (1e-5, (0.9, 0.95))
    assert (train.layout.processes, train.layout.context, train.layout.tensor) == (8, 4, 1)
    assert (train.cdt.beta, train.cdt.lr_source, train.cdt.reduction) == (5, "nominal", "mean")
    assert train.min_learning_rate == pytest.approx(0.1 * train.learning_rate)
    assert train.warmup_steps == -(-3 * train.steps // 100)
    assert train.methods == (("sft", "cdt") if name == "sft" else ("ce", "longce", "cdt"))
    assert settings.model.hugging_face == settings.tokenizer.path == f"models/{BACKBONES[name]}"


@pytest.mark.parametrize(("name", "table"), TABLES.items(), ids=TABLES)
def test_its_steps_consume_the_tokens_of_one_epoch(name, table):
    settings = configuration(name)
    steps, rows, length, tokens = table
    assert (settings.train.steps, settings.train.global_batch_rows, settings.pack.length) == (steps, rows, length)
    assert steps * rows * length == pytest.approx(tokens, rel=0.015)


def test_longce_sees_the_papers_window_of_8192():
    for name in ("cws", "lm"):
        longce = configuration(name).train.longce
        assert (longce.context, longce.stride, longce.clip) == (8192, 1024, 5)


def test_only_window_scaling_changes_the_rotary_base():
    scaled = configuration("cws").model
    assert (scaled.rope_theta, scaled.max_position_embeddings, scaled.rope_scaling) == (20_000_000, 65536, None)
    for name in ("lm", "sft"):
        model = configuration(name).model
        assert (model.rope_theta, model.max_position_embeddings, model.rope_scaling) == (None, None, None)


def test_rows_of_books_are_the_papers_10000():
    for name in ("cws", "lm"):
        pack = configuration(name).pack
        assert (pack.rows, pack.mode) == (10_000, "truncate")


@pytest.mark.parametrize(
    ("name", "there", "absent"),
    [
        ("cws", (), "corpus.path"),
        ("lm", ("corpus",), "tokenizer.path"),
        ("sft", ("corpus", "tokenizer"), "hugging_face"),
    ],
)
def test_absent_weights_or_data_are_one_line_with_the_cure(name, there, absent, fresh):
    values = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    values["model"]["hugging_face"] = "models/weights"
    (fresh.folder / "paper.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    for key in there:
        (fresh.folder / values[key]["path"]).mkdir(parents=True)
    refused = fresh.snakemake("-n", "--profile", "local", "--configfile", "paper.yaml")
    complaint = [line for line in refused.stdout.splitlines() if not line.startswith("Using profile")]
    assert refused.returncode == 2
    assert len(complaint) == 1
    assert complaint[0].startswith("error: configuration: ")
    assert f"{absent}: nothing at " in complaint[0]
    assert complaint[0].endswith(f"{absent} to where it is")
