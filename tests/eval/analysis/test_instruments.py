"""Every instrument keeps the contract in every precision: a float64 number a token, and an untouched model."""

import importlib

import pytest
import torch
from scipy.stats import spearmanr

from contracts.settings import load_settings
from eval.analysis.instruments import INSTRUMENTS
from eval.analysis.settings import AnalysisSettings
from tests.eval.analysis.models import labelled_row, tiny_model

SETTINGS = AnalysisSettings(
    longppl={"window": 8, "stride": 4},
    occlusion={"chunk": 8, "stride": 8},
    integrated_gradients={"steps": 16, "steps_max": 16},
)


def scores_of(name, dtype, row):
    model = tiny_model(dtype=dtype)
    opened = importlib.import_module(INSTRUMENTS[name].module).opened
    scores = opened(model, getattr(SETTINGS, name, None))(row)
    assert model.config._attn_implementation == "sdpa"
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in model.parameters())
    return scores


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_a_number_for_every_token_in_every_precision(name):
    row = labelled_row()
    exact, *rounded = (scores_of(name, dtype, row) for dtype in (torch.float64, torch.float32, torch.bfloat16))
    for scores in (exact, *rounded):
        assert (scores.dtype, tuple(scores.shape)) == (torch.float64, (len(row["input_ids"]),))
    single, half = rounded
    torch.testing.assert_close(single, exact, rtol=1e-4, atol=1e-5 * float(exact.abs().max()))
    # Eight bits of a number keep the order of most tokens.
    assert spearmanr(half, exact).statistic > 0.9


@pytest.mark.parametrize("name", [name for name in INSTRUMENTS if name not in ("attention", "occlusion", "longppl")])
def test_a_row_without_spans_is_measured_too(name):
    row = {key: value for key, value in labelled_row().items() if key != "spans"}
    assert scores_of(name, torch.float64, row).any()


def test_settings_of_one_instrument_leave_those_of_its_other_form_alone():
    settings = load_settings(AnalysisSettings, '{"information_flow_scripts": {"queries": "all"}}')
    assert (settings.information_flow_scripts.form, settings.information_flow.form) == ("scripts", "paper")
    assert (settings.information_flow_scripts.layers_from, settings.information_flow.layers_from) == (0.75, 0.0)
    assert settings.information_flow.queries == "predicting"
