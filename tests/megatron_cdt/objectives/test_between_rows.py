"""A contrastive loss between the rows of all data parallel ranks trains as it does in one process, under one graph."""

import math
from typing import ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from contracts.packs import PackReader
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.device import megatron_calls
from megatron_cdt.engine.model import ModelOptions, build_model
from megatron_cdt.engine.parallel import Layout, start_processes, stop_processes
from megatron_cdt.huggingface.fresh import initialize_weights
from megatron_cdt.huggingface.names import tensor_shapes
from megatron_cdt.huggingface.weights import whole_tensors
from megatron_cdt.objectives.between_rows import losses_between, states_of_row
from megatron_cdt.objectives.method import Method
from megatron_cdt.objectives.objective import Column, Objective
from megatron_cdt.objectives.registry import METHODS
from megatron_cdt.objectives.row import local_row
from megatron_cdt.training.checkpoint import TrainingState
from megatron_cdt.training.data_order import rows_of_step
from megatron_cdt.training.optimizer import build_optimizer, wrap_model
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.step import train_step
from tests.megatron_cdt.distributed import run_distributed
from tests.megatron_cdt.training.job import ARCHITECTURE, pack_row, train_settings, write_pack

TEMPERATURE = 0.5
STEPS = 2


def two_views(model, row, groups) -> torch.Tensor:
    """This rank's part of the mean states of a row's even and of its odd places: fp64 [2H]."""
    hidden_TH = states_of_row(model, row, groups).double()
    if not model.post_process:
        return hidden_TH.sum(0).repeat(2)
    even_T = torch.from_numpy(row.whole.real_N & (np.arange(len(row.whole.real_N)) % 2 == 0))
    odd_T = torch.from_numpy(row.whole.real_N & (np.arange(len(row.whole.real_N)) % 2 == 1))
    views = [hidden_TH.mul(of[row.indices_T][:, None]).sum(0) / of.sum() for of in (even_T, odd_T)]
    return torch.cat(views)


def info_nce(both_SH: torch.Tensor) -> torch.Tensor:
    """-log softmax over all rows of the step of a row's one view to its other: [S]."""
    first, second = (F.normalize(view, dim=1) for view in both_SH.chunk(2, dim=1))
    return F.cross_entropy(first @ second.T / TEMPERATURE, torch.arange(len(both_SH)), reduction="none")


class Contrastive(Objective):
    """InfoNCE between the rows of a step."""

    telemetry: ClassVar[dict[str, Column]] = {}

    def losses(self, model, rows):
        def represent(row):
            return two_views(model, row, self.groups)

        for loss in losses_between(represent, info_nce, rows, 2 * model.config.hidden_size, self.groups):
            yield loss, {}

    def own_units(self, row):
        return int(self.groups.cp.rank() == 0)


def rows_some_of_which_teach_nothing(generator: np.random.Generator, number: int) -> dict:
    """Of the first step's rows a data parallel rank of two has two with labels, the other one."""
    row = pack_row(generator, number)
    return row | ({"label_spans": []} if number in WITHOUT_LABELS else {})


SETTINGS = train_settings(
    method="ce", global_batch_rows=4, warmup_steps=0, steps=STEPS, adam_eps=1e-3, learning_rate=1e-3, clip_grad=0.0
) | {"min_learning_rate": 1e-3}
FIRST_ROWS = rows_of_step(1, num_rows=10, batch_rows=4, seed=TrainSettings(**SETTINGS).seed)
WITHOUT_LABELS = {FIRST_ROWS[1]}


def model_of(groups, sequence_parallel: bool = False):
    architecture = Architecture(**ARCHITECTURE)
    model = build_model(architecture, groups, ModelOptions(sequence_parallel=sequence_parallel))
    initialize_weights(model, architecture, 5, groups)
    return model


def trained(pack: str, layout: dict, sequence_parallel: bool = False) -> tuple[list[dict], dict | None]:
    """Metrics of some steps of the contrastive method, and the weights after them (on the rank that has them whole)."""
    METHODS["ce"] = Method("contrastive", f"{__name__}:Contrastive")
    groups = start_processes(Layout(**layout))
    settings = TrainSettings(**SETTINGS)
    model = model_of(groups, sequence_parallel)
    ddp = wrap_model(model, groups)
    state = TrainingState(ddp, build_optimizer(ddp, settings, groups), Architecture(**ARCHITECTURE), groups)
    steps = [train_step(state, PackReader(pack), settings, step, 0).metrics for step in range(1, STEPS + 1)]
    shapes = tensor_shapes(Architecture(**ARCHITECTURE))
    weights = {name: tensor.clone() for name, tensor in zip(shapes, whole_tensors(model, groups, shapes), strict=True)}
    return steps, weights if groups.tp.rank() == groups.pp.rank() == 0 else None


@pytest.fixture(scope="module")
def pack(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("contrastive") / "packs"
    write_pack(folder, rows=10, seed=1, tokenizer_digest="t", make_row=rows_some_of_which_teach_nothing)
    return str(folder)


@pytest.fixture(scope="module")
def alone(pack):
    kept = METHODS["ce"]
    yield trained(pack, {})
    METHODS["ce"] = kept
    stop_processes()


def test_the_first_step_in_one_process_is_that_of_all_rows_under_one_graph(pack, alone):
    groups = start_processes(Layout())
    with megatron_calls():
        model = model_of(groups)
        rows = [local_row(PackReader(pack).row(number), groups) for number in FIRST_ROWS]
        both = torch.stack([two_views(model, row, groups) for row in rows if row.num_labels])
        loss = info_nce(both).mean()
        gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    norm = math.sqrt(sum(float(each.double().square().sum()) for each in gradients if each is not None))
    assert len(both) == 3
    assert alone[0][0]["loss"] == pytest.approx(loss.item(), rel=1e-6)
    assert alone[0][0]["grad_norm"] == pytest.approx(norm, rel=1e-5)
    assert norm > 0.01


@pytest.mark.parametrize(
    ("layout", "sequence_parallel"),
    [({}, False), ({"context": 2}, False), ({"pipeline": 2}, False), ({"tensor": 2}, False), ({"tensor": 2}, True)],
    ids=["dp2", "dp2-cp2", "dp2-pp2", "dp2-tp2", "dp2-tp2-sp"],
)
def test_rows_of_other_data_parallel_ranks_are_negatives_of_the_same_loss(pack, alone, layout, sequence_parallel):
    for steps, weights in run_distributed(trained, 2 * math.prod(layout.values()), pack, layout, sequence_parallel):
        for step, wanted in zip(steps, alone[0], strict=True):
            assert step == pytest.approx(wanted, rel=1e-6)
        for name, weight in (weights or {}).items():
            torch.testing.assert_close(weight, alone[1][name], rtol=1e-6, atol=1e-6, msg=name)
