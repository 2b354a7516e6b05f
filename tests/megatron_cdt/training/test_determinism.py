"""What `deterministic: true` sets, and what it refuses."""

import os

import pytest
import torch

from contracts.errors import InputError
from megatron_cdt.engine.options import Layout
from megatron_cdt.objectives.cdt import CdtSettings
from megatron_cdt.training.determinism import KNOBS, check_promise, make_deterministic
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.train_command import model_to_train
from tests.megatron_cdt.training.job import train_settings


@pytest.fixture
def restored(monkeypatch):
    """This process as it was before."""
    before = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory
    for knob in KNOBS:
        monkeypatch.delenv(knob.name, raising=False)
    yield monkeypatch
    torch.use_deterministic_algorithms(before[0])
    torch.utils.deterministic.fill_uninitialized_memory = before[1]
    for knob in KNOBS:
        monkeypatch.setenv(knob.name, "restored")


def test_every_knob_is_set(restored):
    make_deterministic(Layout(), on_gpu=False)
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()
    check_promise({knob.name: os.environ[knob.name] for knob in KNOBS}, Layout(), on_gpu=True)


@pytest.mark.parametrize("knob", KNOBS, ids=lambda knob: knob.name)
def test_an_environment_that_contradicts_a_knob_is_refused_on_a_gpu(knob):
    with pytest.raises(InputError, match=f"refuses {knob.name}=other .*deterministic: false"):
        check_promise({knob.name: "other"}, Layout(), on_gpu=True)
    check_promise({knob.name: "other"}, Layout(), on_gpu=False)
    for value in knob.accepted:
        check_promise({knob.name: value}, Layout(), on_gpu=True)


def test_context_parallel_attention_on_gpus_is_refused_for_lack_of_proof():
    with pytest.raises(InputError, match="refuses context 2 on GPUs"):
        check_promise({}, Layout(context=2), on_gpu=True)
    check_promise({}, Layout(context=2), on_gpu=False)


@pytest.mark.parametrize("deterministic", [True, False])
def test_the_model_that_is_trained_has_megatrons_deterministic_mode(tiny_architecture, groups, deterministic):
    settings = TrainSettings(**train_settings(deterministic=deterministic))
    model = model_to_train(tiny_architecture, settings, groups)
    assert model.config.deterministic_mode == deterministic
    assert model.embedding.word_embeddings.deterministic_mode == deterministic


def test_detection_in_fp8_is_refused_for_lack_of_proof():
    fp8_pass = CdtSettings(detection_precision="fp8").fp8_pass
    with pytest.raises(
        InputError, match=r'refuses cdt\.detection_precision fp8 .*set cdt\.detection_precision to "model", or'
    ):
        check_promise({}, Layout(), on_gpu=True, fp8_pass=fp8_pass)
    check_promise({}, Layout(), on_gpu=True, fp8_pass=CdtSettings().fp8_pass)
