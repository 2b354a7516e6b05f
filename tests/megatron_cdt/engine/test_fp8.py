"""FP8 detection, against stand-ins: where it is refused, and what TransformerEngine is asked for."""

import contextlib
import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from contracts.errors import InputError
from megatron_cdt.engine import fp8
from megatron_cdt.engine.options import Fp8Pass
from megatron_cdt.objectives.cdt.objective import detect
from megatron_cdt.objectives.row import labelled_row

ASKED = Fp8Pass("an_option", "leave it out")


@pytest.fixture
def asked(monkeypatch) -> list:
    """A machine that says it has a GPU and a TransformerEngine which notes what it is asked for."""
    calls = []

    @contextlib.contextmanager
    def autocast(**given):
        calls.append(given)
        yield
        calls.append("left")

    recipe = SimpleNamespace(Float8CurrentScaling=lambda: "current scaling")
    for name, contents in (("pytorch", {"fp8_autocast": autocast}), ("common.recipe", vars(recipe))):
        module = ModuleType(f"transformer_engine.{name}")
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    for name in ("has_gpu", "uses_transformer_engine"):
        monkeypatch.setattr(fp8, name, lambda *_: True)
    return calls


def test_it_is_refused_for_an_fp32_model_without_a_gpu_without_transformer_engine_and_with_an_old_one(
    monkeypatch, asked
):
    monkeypatch.delattr(sys.modules["transformer_engine.common.recipe"], "Float8CurrentScaling")
    with pytest.raises(InputError, match=r"needs TransformerEngine 2\.2 or newer"):
        fp8.check_fp8(torch.bfloat16, ASKED)
    monkeypatch.setattr(fp8, "uses_transformer_engine", lambda _dtype: False)
    with pytest.raises(InputError, match="needs TransformerEngine, which is not installed"):
        fp8.check_fp8(torch.bfloat16, ASKED)
    monkeypatch.setattr(fp8, "has_gpu", lambda: False)
    with pytest.raises(InputError, match="an_option: fp8 needs a GPU; leave it out"):
        fp8.check_fp8(torch.bfloat16, ASKED)
    with pytest.raises(InputError, match="needs dtype bfloat16"):
        fp8.check_fp8(torch.float32, ASKED)


@pytest.mark.parametrize("in_fp8", [False, True])
def test_the_detection_pass_alone_runs_in_it_and_quantizes_the_weights_anew(
    asked, tiny_model, groups, monkeypatch, in_fp8
):
    told = []
    monkeypatch.setattr(tiny_model.config, "params_dtype", torch.bfloat16)
    monkeypatch.setattr(type(tiny_model), "set_is_first_microbatch", lambda self: told.append("new weights"))
    row = labelled_row(list(range(8)), list(range(8)), groups)
    detect(
        tiny_model,
        row,
        tiny_model.embed(row.input_ids_T),
        reduction="sum",
        groups=groups,
        fp8=ASKED if in_fp8 else None,
    )
    expected = [{"enabled": True, "fp8_recipe": "current scaling"}, "left"] if in_fp8 else []
    assert asked == expected
    assert told == ["new weights"] * in_fp8
