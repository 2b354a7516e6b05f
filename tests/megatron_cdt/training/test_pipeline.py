"""Four stages with more rows than are detected together: the step is that of one process."""

from pathlib import Path

import pytest
import torch

from contracts.packs import PackReader
from megatron_cdt.engine.options import Layout
from megatron_cdt.engine.parallel import stop_processes
from megatron_cdt.huggingface.names import tensor_shapes
from megatron_cdt.huggingface.weights import whole_tensors
from megatron_cdt.objectives.cdt.objective import ROWS_PER_STAGE
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.step import train_step
from tests.megatron_cdt.distributed import run_distributed, start_layout
from tests.megatron_cdt.huggingface.models import VOCAB, random_llama
from tests.megatron_cdt.training.job import train_settings, write_pack
from tests.megatron_cdt.training.test_layout_matrix import (
    ADAM_EPS,
    SEGMENTS,
    assert_same_weights,
    row_of,
    state_of,
)

STAGES = 4
BATCH = STAGES * ROWS_PER_STAGE + 2


def one_step(folder: Path, layout: Layout, dtype: str = "float32") -> tuple[dict, dict | None]:
    """Metrics of a step in this process, and the weights afterwards where they are whole."""
    groups = start_layout(layout)
    settings = TrainSettings(**train_settings(global_batch_rows=BATCH, adam_eps=ADAM_EPS, dtype=dtype))
    options = {"dtype": getattr(torch, dtype), "fp32_residual": settings.fp32_residual}
    state = state_of(folder / "model", settings, groups, options)
    metrics = train_step(state, PackReader(folder / "packs"), settings, 1, 0).metrics
    shapes = tensor_shapes(state.architecture)
    tensors = [tensor.clone() for tensor in whole_tensors(state.ddp.module, groups, shapes)]
    return metrics, dict(zip(shapes, tensors, strict=True)) if groups.pp.rank() == 0 else None


@pytest.fixture
def job(tmp_path) -> Path:
    """A model of four layers and six rows."""
    random_llama(tmp_path / "model", num_hidden_layers=4)
    write_pack(
        tmp_path / "packs",
        rows=6,
        seed=0,
        tokenizer_digest="t",
        make_row=lambda _, number: row_of("all", number),
        length=sum(SEGMENTS),
        vocab_size=VOCAB,
    )
    return tmp_path


def test_a_cdt_step_of_four_stages_is_that_of_one_process(job):
    wanted_metrics, wanted_weights = one_step(job, Layout())
    stop_processes()
    for metrics, weights in run_distributed(one_step, STAGES, job, Layout(pipeline=STAGES)):
        assert metrics == pytest.approx(wanted_metrics, rel=1e-5)
        assert_same_weights(weights, wanted_weights, ("cdt", "pp4"))


def test_stages_hand_on_the_fp32_residual_stream_of_a_bf16_model(job):
    wanted_metrics, _ = one_step(job, Layout(), "bfloat16")
    stop_processes()
    for metrics, _ in run_distributed(one_step, 2, job, Layout(pipeline=2), "bfloat16"):
        # The same operations in the same order: what is handed on keeps every bit.
        assert metrics == pytest.approx(wanted_metrics, rel=1e-5)
