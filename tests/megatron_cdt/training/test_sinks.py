"""Sinks get every step's numbers; one that is not installed is named with the cure."""

import contextlib
import importlib.util
import json
import sys
from types import SimpleNamespace

import pytest

from contracts.errors import InputError
from megatron_cdt.objectives.ce import CrossEntropy
from megatron_cdt.training.report import Reporter
from megatron_cdt.training.sinks import check_sinks, open_sinks
from megatron_cdt.training.step import StepResult


class Calls:
    """Stands for a package, and notes what is asked of it."""

    def __init__(self) -> None:
        self.told = []

    def __getattr__(self, name):
        def note(*arguments, **named):
            self.told.append((name, arguments, named))
            return self

        return note


@pytest.fixture
def packages(monkeypatch):
    """Both packages, installed as it were."""
    fakes = {"torch.utils.tensorboard": Calls(), "wandb": Calls()}
    for name, fake in fakes.items():
        monkeypatch.setitem(sys.modules, name, fake)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: SimpleNamespace(name=name))
    monkeypatch.delenv("WANDB_MODE", raising=False)
    return SimpleNamespace(tensorboard=fakes["torch.utils.tensorboard"], wandb=fakes["wandb"])


def test_each_step_and_validation_reaches_every_sink_and_unknown_values_do_not(packages, groups, tmp_path):
    sinks = open_sinks(["tensorboard", "wandb"], tmp_path, {"seed": 1}, first_step=4)
    metrics = {"step": 4, "loss": 2.0, "grad_norm": 1.0, "lr": 0.1}
    with contextlib.closing(Reporter(tmp_path, CrossEntropy, last_step=9, sinks=sinks)) as reporter:
        reporter.step(StepResult(metrics, tokens=100), seconds=0.5, flops=1e9)
        reporter.validation(4, 1.5)
    scalars = {call[1][0]: call[1][1:] for call in packages.tensorboard.told if call[0] == "add_scalar"}
    assert scalars["loss"] == (2.0, 4)
    assert scalars["validation_loss"] == (1.5, 4)
    assert "mfu" not in scalars
    logged = [call for call in packages.wandb.told if call[0] == "log"]
    assert [call[2] for call in logged] == [{"step": 4}, {"step": 4}]
    assert logged[0][1][0]["tokens_per_second"] == 200
    assert packages.tensorboard.told[0][2]["purge_step"] == 4
    assert packages.tensorboard.told[-1][0] == "close"
    assert packages.wandb.told[-1][0] == "finish"
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == metrics


@pytest.mark.parametrize(("asked", "mode"), [(None, "offline"), ("online", "online"), ("disabled", "disabled")])
def test_weights_and_biases_is_offline_unless_its_variable_says_otherwise(packages, tmp_path, monkeypatch, asked, mode):
    if asked:
        monkeypatch.setenv("WANDB_MODE", asked)
    open_sinks(["wandb"], tmp_path, {"seed": 1}, first_step=1)
    name, _, given = packages.wandb.told[0]
    assert (name, given["mode"], given["config"]) == ("init", mode, {"seed": 1})


def test_a_run_folder_is_one_run_of_weights_and_biases_however_often_it_starts(packages, tmp_path):
    for folder, first_step in (("a", 1), ("a", 4), ("b", 1)):
        open_sinks(["wandb"], tmp_path / folder, {}, first_step)
    first, again, other = (named for name, _, named in packages.wandb.told if name == "init")
    assert first["id"] == again["id"] != other["id"]
    assert first["resume"] == "allow"


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_sink_that_is_not_installed_is_named_with_the_cure(monkeypatch, name):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=f"{name} is not installed; pip install {name}"):
        check_sinks([name])
