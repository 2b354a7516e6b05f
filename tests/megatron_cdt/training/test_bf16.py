"""A bf16 step of CDT on the CPU: the fp32 residual stream keeps a shift that bf16 rounds away."""

import math

import pytest
import torch

from contracts.packs import PackReader
from megatron_cdt.engine.model import ModelOptions, build_model
from megatron_cdt.engine.parallel import stop_processes
from megatron_cdt.training.checkpoint import TrainingState
from megatron_cdt.training.optimizer import build_optimizer, wrap_model
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.step import train_step
from tests.megatron_cdt.training.job import train_settings, write_pack


@pytest.fixture
def metrics_of(tiny_model, tiny_architecture, groups, tmp_path):
    """The metrics of one bf16 step from the same weights, by the dtype of the residual stream."""
    pack = PackReader(write_pack(tmp_path / "packs", rows=6, seed=3, tokenizer_digest="t"))

    def step(residual_dtype: str) -> dict:
        settings = TrainSettings(
            **train_settings(
                dtype="bfloat16", learning_rate=1e-4, min_learning_rate=0.0, cdt={"residual_dtype": residual_dtype}
            )
        )
        model = build_model(
            tiny_architecture, groups, ModelOptions(dtype=torch.bfloat16, fp32_residual=settings.fp32_residual)
        )
        # TransformerEngine's layers, on a GPU, have a state of their own beside the weights.
        model.load_state_dict(tiny_model.state_dict(), strict=False)
        ddp = wrap_model(model, groups)
        state = TrainingState(ddp, build_optimizer(ddp, settings, groups), tiny_architecture, groups)
        return train_step(state, pack, settings, 1, consumed_tokens=0).metrics

    yield step
    stop_processes()


def test_an_fp32_residual_keeps_the_shift_that_a_bf16_one_rounds_away(metrics_of):
    kept, rounded = metrics_of("float32"), metrics_of("model")
    # Not every element of a noise token: behind a row's last label the gradient is exactly 0.
    assert 0.1 < kept["changed_share"] <= kept["noise_share"]
    assert rounded["changed_share"] < 0.2 * kept["changed_share"]
    assert kept["loss"] == pytest.approx(rounded["loss"], rel=0.02)
    assert all(math.isfinite(value) for value in [*kept.values(), *rounded.values()])
