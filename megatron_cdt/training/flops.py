"""Floating-point operations that a step asks for, over all processes: its rows under its method."""

from contracts.packs import PackReader
from megatron_cdt.architecture import Architecture
from megatron_cdt.objectives.registry import objective_class
from megatron_cdt.objectives.row import NO_LABEL, whole_row
from megatron_cdt.training.data_order import rows_of_step
from megatron_cdt.training.settings import TrainSettings


def step_flops(architecture: Architecture, pack: PackReader, settings: TrainSettings, step: int) -> float:
    """Operations of an optimizer step, over all processes; a row without labels is not computed."""
    rows = rows_of_step(step, num_rows=len(pack), batch_rows=settings.global_batch_rows, seed=settings.seed)
    wholes = (whole_row(pack.row(index)) for index in rows)
    method = objective_class(settings.method)
    return sum(
        method.row_flops(architecture, row, settings.section) for row in wholes if (row.labels_N != NO_LABEL).any()
    )
