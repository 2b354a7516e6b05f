"""One optimizer step: rows -> objective -> backward -> one division by the labelled tokens -> clip -> Adam.

Invariant: the loss and the update depend on the step's rows as a set, not on which rank held which token.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from contracts.errors import InputError
from contracts.packs import PackReader
from megatron_cdt.engine.pipeline import learn_in_order
from megatron_cdt.objectives.objective import Objective
from megatron_cdt.objectives.registry import build_objective
from megatron_cdt.objectives.row import LocalRow, local_row
from megatron_cdt.training.checkpoint import TrainingState, gather
from megatron_cdt.training.data_order import rows_of_step, turn_of_rank
from megatron_cdt.training.optimizer import finish_gradients, learning_rate_at, update_weights
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.telemetry import StepTotals

NOT_FINITE_CURE = "lower learning_rate, lengthen warmup_steps, or look at these rows"


class NotFiniteError(InputError):
    """The loss or the gradient of a step is no finite number; every process raises it in the same place."""


@dataclass(frozen=True)
class StepResult:
    """One step's numbers, the same on every rank."""

    metrics: dict[str, float | int]  # the line of metrics.jsonl
    tokens: int  # real tokens of the step, over all processes


def train_step(
    state: TrainingState, pack: PackReader, settings: TrainSettings, step: int, consumed_tokens: int
) -> StepResult:
    """Train on the rows of optimizer step `step` (all processes call this).

    Raises NotFiniteError where the loss or the gradient is not finite, naming the step and its rows.
    """
    groups = state.groups
    rows = rows_of_step(step, num_rows=len(pack), batch_rows=settings.global_batch_rows, seed=settings.seed)
    rate = learning_rate_at(step, settings)
    objective = build_objective(settings, groups).at_rates(settings.learning_rate, rate)
    state.ddp.zero_grad_buffer()
    state.optimizer.zero_grad()
    totals = StepTotals(objective)
    mine = turn_of_rank(rows, groups.dp.rank(), groups.dp.size())
    learn_from_rows(state, pack, mine, objective, totals)
    summed = totals.over_all_ranks(groups)
    check_loss(summed, totals.bad_rows, step, rows, pack)
    finish_gradients(state.ddp, totals.own_units, groups)
    grad_norm = update_weights(state.optimizer, rate)
    if not math.isfinite(grad_norm):
        raise NotFiniteError(
            f"step {step}: the gradient is {grad_norm}; rows {rows} of {pack.folder}; {NOT_FINITE_CURE}"
        )
    metrics = {
        "step": step,
        "loss": summed["loss_sum"] / summed["units"],
        "grad_norm": grad_norm,
        "lr": rate,
        "consumed_rows": step * settings.global_batch_rows,
        "consumed_tokens": consumed_tokens + int(summed["tokens"]),
    }
    return StepResult(
        metrics=metrics | {name: summed[name] for name in objective.telemetry}, tokens=int(summed["tokens"])
    )


def learn_from_rows(
    state: TrainingState,
    pack: PackReader,
    numbers: Sequence[int],
    objective: Objective,
    totals: StepTotals,
) -> None:
    """Add the gradients of the rows of these numbers, and their own numbers to `totals`."""
    together = objective.rows_together(state.groups.pp.size())
    labelled = []
    for number in numbers:
        row = local_row(pack.row(number), state.groups)
        totals.tokens += row.num_tokens
        # A row without labels only counts tokens.
        if row.num_labels:
            labelled.append((number, row))
    # A whole set is asked for even where it is empty: other data parallel ranks may wait for its rows.
    for first in range(0, len(labelled), together) if together else (0,):
        losses = counted_losses(state, labelled[first:][:together], objective, totals)
        learn_in_order(losses, state.groups)


def counted_losses(
    state: TrainingState,
    rows: Sequence[tuple[int, LocalRow]],
    objective: Objective,
    totals: StepTotals,
) -> Iterator[Tensor]:
    """Each (number, row)'s differentiable loss sum, when it is asked for; its numbers are added to `totals`."""
    losses = objective.losses(state.ddp.module, [row for _, row in rows])
    for (number, row), (loss_sum, telemetry) in zip(rows, losses, strict=True):
        totals.add(number, row, loss_sum.item(), telemetry)
        yield loss_sum


def check_loss(summed: dict[str, float], bad_rows: list[int], step: int, rows: list[int], pack: PackReader) -> None:
    """Stop on a loss that is no number, or on a step that has nothing to learn; the same on every rank."""
    if not summed["units"]:
        raise InputError(f"step {step}: rows {rows} of {pack.folder} have no labelled token; pack again without them")
    if not math.isfinite(summed["loss_sum"]):
        named = sorted({row for part in gather(bad_rows) for row in part})
        raise NotFiniteError(
            f"step {step}: the loss is {summed['loss_sum'] / summed['units']} in rows {named} of {pack.folder}; "
            f"{NOT_FINITE_CURE}"
        )
