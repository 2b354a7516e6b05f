"""Every file that a run can hold has a kind: a new one fails here until files.py says what it is to an audit."""

import pytest

from tests.workflow.audit.tiny_run import ROOT
from workflow.audit.files import KINDS, SELF_DECLARED, files_of_run, kind_of

# What no run of these tests leaves behind, by the code that writes it.
OTHERS = {
    "eval/ce/dense/ruler/vt/1024/predictions.jsonl.partial": "unfinished work",
    "tokens/train.partial/key.json": "unfinished work",
    "tokens/train.partial/tokens-00001.arrow": "unfinished work",
    "tokens/train/quarantine.jsonl": "tokens",
    "sets/longmit/tokens-00000.arrow": "sets of samples",
    "sets/longmit/manifest.json": "manifest",
    "train/ce/run-0/tensorboard/events.out.tfevents.1.host.2.0": "curves for a dashboard",
    "train/ce/run-0/wandb/offline-run-1/run.wandb": "curves for a dashboard",
    "models/ce/model-00001-of-00002.safetensors": "model",
    "models/ce/model.safetensors.index.json": "model",
    "models/ce/chat_template.jinja": "model",
    "eval/digests/0123.json": "plan and caches of the evaluation",
    "eval/ce/dense/helmet/aggregate.json": "score",
    "report.tables/helmet.csv": "pages of the report",
    "report.tables/helmet.tex": "pages of the report",
    "slurm/rule_train/7.log": "log",
}


def test_every_file_of_a_finished_run_has_a_kind(finished):
    names = files_of_run(finished / ROOT)
    kinds = {name: kind_of(name) for name in names}
    assert [name for name, kind in kinds.items() if kind is None] == []
    assert {"metrics", "checkpoint", "second name of predictions", "score"} <= {kind.name for kind in kinds.values()}


def test_every_output_log_and_measurement_of_the_rules_has_a_kind(finished_run):
    names = files_of_run(finished_run.folder / "results/demo")
    assert len(names) > 100
    assert [name for name in names if kind_of(name) is None] == []


@pytest.mark.parametrize(("name", "kind"), OTHERS.items(), ids=str)
def test_what_only_some_runs_hold_has_a_kind_too(name, kind):
    assert kind_of(name).name == kind


@pytest.mark.parametrize(
    "name", ["notes.txt", "packs.txt", "models.json", "train/ce/run-0/new.jsonl", "eval/x/new.json"]
)
def test_a_file_of_no_known_stage_has_none(name):
    assert kind_of(name) is None


def test_what_two_runs_are_compared_by_is_never_a_matter_of_machine_or_hour():
    compared = {kind.name for kind in KINDS if kind.compared}
    assert not compared & {"log", "record of a job", "measurement of a job", "times of a training", "unfinished work"}
    assert {"model", "samples", "predictions", "score", "tokens", "packed rows"} <= compared
    assert {kind.name for kind in KINDS if kind.known_by == SELF_DECLARED} >= {"log", "times of a training"}
