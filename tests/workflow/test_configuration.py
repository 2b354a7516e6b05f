"""A configuration is checked before anything runs, and a wrong one is told in one line."""

import json
from pathlib import Path

import pytest

from contracts.settings import load_settings
from tests.workflow.conftest import REPOSITORY, WHOLE_RUN, whole_run_with
from workflow.configuration import Configuration, main
from workflow.schemas.generate import PAGE, SCHEMA, config_schema, described_page

# A key that is not there, a value of the wrong kind, a value out of range, a name that is no name, an absent file.
WRONG = [
    ({"detect": {"betta": 1}}, "detect: ", "betta"),
    ({"train": {"cdt": {"betta": 1}}}, "train.cdt: ", "known keys: beta, "),
    ({"train": {"steps": "many"}}, "train.steps: ", "many"),
    ({"pack": {"length": 0}}, "pack.length: ", "0"),
    ({"train": {"methods": ["sgd"]}}, "train.methods.0: ", "sgd"),
    ({"run": "a/b"}, "run: ", "a/b"),
    ({"eval": {"chat_template": "no/such.jinja"}}, "eval.chat_template: nothing at ", "no/such.jinja"),
]


def test_the_schema_is_the_one_that_the_settings_classes_give():
    assert SCHEMA.read_text(encoding="utf-8") == config_schema(), "run `make schema`"


def test_config_readme_names_every_key_as_the_schema_has_it():
    page = PAGE.read_text(encoding="utf-8")
    assert page == described_page(page, json.loads(config_schema())), "run `make schema`"


WHOLE = [
    path for folder in (".", "claims", "focused") for path in sorted((REPOSITORY / "config" / folder).glob("*.yaml"))
]


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.name)
def test_every_configuration_that_is_shipped_is_valid(path: Path):
    load_settings(Configuration, path)


@pytest.mark.parametrize(("changes", "place", "word"), WRONG, ids=[place for _, place, _ in WRONG])
def test_a_wrong_key_ends_in_one_line_that_names_it(fresh, changes, place, word):
    fresh.configure(**changes)
    refused = fresh.snakemake("-n", "--profile", "local", "--configfile", "config/demo.yaml")
    lines = [line for line in refused.stdout.splitlines() if not line.startswith("Using profile")]
    assert refused.returncode == 2
    assert len(lines) == 1
    assert lines[0].startswith(f"error: configuration: {place}")
    assert word in lines[0]


def test_sections_that_contradict_each_other_stop_the_run_before_its_first_job(fresh):
    fresh.configure(pack={"alignment": 2})
    refused = fresh.snakemake("--profile", "local", "--configfile", "config/demo.yaml")
    assert refused.returncode != 0
    assert "error: configuration: " in refused.stdout
    assert "set pack.alignment to a multiple of 4" in refused.stdout
    assert not (fresh.folder / "results/demo/tokenizer").exists()


def test_a_task_without_its_data_ends_in_one_line_before_anything_is_planned(fresh):
    fresh.configure(eval={"benchmarks": {"ruler": {"tasks": ["qa_1"]}}})
    refused = fresh.snakemake("-n", "--profile", "local", "--configfile", "config/demo.yaml")
    (complaint,) = [line for line in refused.stdout.splitlines() if not line.startswith("Using profile")]
    assert refused.returncode == 2
    assert "task qa_1 needs eval.data.squad" in complaint


@pytest.mark.parametrize(
    ("changes", "cure"),
    [
        ({"eval": {"benchmarks": {"longppl": {"window": 5000}}}}, "longppl.window"),
        ({"model": {"hugging_face": "folder"}}, "keep one of them"),
        ({"corpus": {"source": "drills"}}, "say there what is to be generated"),
        ({"corpus": {"source": "drills", "drills": {}}}, "set pack.mode to best-fit"),
        ({"train": {"layout": {"processes": 3}}}, "set processes to a multiple of 2"),
        ({"train": {"methods": ["focused"]}}, "focused learns from pairs; say in pairs how"),
        ({"pairs": {}}, "set corpus.source to one of quality, qasper, nq"),
        ({"train": {"variants": {"plain": {"steps": 9}}}}, "train: variants.plain: says no method"),
        ({"train": {"variants": {"plain": {"method": "sgd"}}}}, "train: train.variants.plain.method: "),
        ({"train": {"variants": {"sum": {"method": "cdt", "cdt": {"betta": 1}}}}}, "train.variants.sum.cdt.betta: "),
        ({"train": {"variants": {"logo": {"method": "cdt"}}}}, "is no method's; choose another"),
        ({"train": {"variants": {"a/b": {"method": "cdt"}}}}, "letters, digits, dots, dashes"),
        ({"train": {"variants": {"wide": {"method": "cdt", "layout": {}}}}}, "variants.wide.layout: is the same"),
        ({"eval": {"benchmarks": {"longppl": {"evaluator": "cde"}}}}, "eval.benchmarks.longppl.evaluator"),
    ],
)
def test_the_check_across_sections_says_what_to_change(changes, cure, capsys):
    assert main(json.dumps(whole_run_with(changes))) == 2
    complaint = capsys.readouterr().err
    assert complaint.count("\n") == 1
    assert cure in complaint


def test_the_demo_passes_the_check_across_sections():
    assert main(json.dumps(WHOLE_RUN)) == 0


def test_a_key_that_stands_twice_is_told_before_anything_runs(fresh):
    with open(fresh.folder / "config/demo.yaml", "a", encoding="utf-8") as settings:
        settings.write("run: another\n")
    refused = fresh.snakemake("-n", "--profile", "local", "--configfile", "config/demo.yaml")
    assert refused.returncode == 2
    assert "run stands there twice; leave one of them" in refused.stdout.splitlines()[-1]


def test_the_demo_begins_with_the_base_and_asks_it_too():
    demo = load_settings(Configuration, REPOSITORY / "config/demo.yaml")
    assert demo.model.hugging_face == demo.tokenizer.path == demo.eval.models["base"] == "resources/base"
    window = json.loads((REPOSITORY / "resources/base/config.json").read_text())["max_position_embeddings"]
    assert demo.pack.length == demo.model.max_position_embeddings == max(demo.eval.lengths) == 4 * window
    assert min(demo.eval.lengths) == window
