"""Losses between the rows of a step, those of other data parallel ranks included, with one row's graph in memory.

Gradient caching (Gao et al., arXiv 2101.06983), exact: every row's representation without a graph; the loss of them all
and its slope at each; then each row again, whose own representation times its slope has the loss's gradient.
Invariant: the numbers are those of all rows in one process under one graph, whichever rank holds which row or part.

A row may hold several items, such as samples that are packed together: then the loss is one of items.

# H features of an item, I items of a row, S items of the step over all data parallel ranks
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
import torch.distributed as dist
from megatron.core.process_groups_config import ProcessGroupCollection
from torch import Tensor

from megatron_cdt.engine.device import device
from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.engine.parallel import sum_over
from megatron_cdt.engine.pipeline import speaks_for_row
from megatron_cdt.objectives.cross_entropy import head_input
from megatron_cdt.objectives.row import LocalRow

# This rank's differentiable part of a row's items, fp64 [I, H], or [H] of a single one: over context ranks and stages
# the parts add up.
Represent = Callable[[LocalRow], Tensor]
# The loss of each item from the representations of all: [S, H] -> [S].
LossOfItems = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class StepItems:
    """The items of all rows of a step without a graph, and what the loss says of them; no gradient flows through."""

    items_SH: Tensor  # fp64
    losses_S: Tensor
    slopes_SH: Tensor  # dL / d items, L being the sum of the losses
    places: list[list[int]]  # of the items of each of this rank's rows


def items_of_step(
    represent: Represent,
    loss_of_items: LossOfItems,
    rows: Sequence[LocalRow],
    features: int,
    groups: ProcessGroupCollection,
) -> StepItems:
    """The first pass over all rows; every data parallel rank has to call it, with rows or without.

    Items come to `loss_of_items` in the order of the step where each row has labels and one item, else rank by rank
    within a turn.
    """
    with torch.no_grad():
        own = [sum_over(represent(row).reshape(-1, features), groups.cp, groups.pp) for row in rows]
    own_IH = torch.cat(own) if own else torch.zeros(0, features, dtype=torch.float64, device=device())
    items_SH, order = gather_rows(own_IH, groups.dp)
    items_SH.requires_grad_()
    losses_S = loss_of_items(items_SH)
    (slopes_SH,) = torch.autograd.grad(losses_S.sum(), items_SH)
    ends = list(accumulate(map(len, own)))
    places = [order[end - len(items) : end] for items, end in zip(own, ends, strict=True)]
    return StepItems(items_SH.detach(), losses_S.detach(), slopes_SH, places)


def losses_between(
    represent: Represent,
    loss_of_items: LossOfItems,
    rows: Sequence[LocalRow],
    features: int,
    groups: ProcessGroupCollection,
) -> Iterator[Tensor]:
    """This rank's part of each of its rows' losses, in turn; every data parallel rank has to ask, even without rows."""
    step = items_of_step(represent, loss_of_items, rows, features, groups)
    for row, places in zip(rows, step.places, strict=True):
        yield loss_of_row(represent(row).reshape(-1, features), step, places, groups)


def loss_of_row(own_IH: Tensor, step: StepItems, places: list[int], groups: ProcessGroupCollection) -> Tensor:
    """This rank's part of the loss of a row's items from their second pass: its gradient is the step's."""
    return with_value((own_IH * step.slopes_SH[places]).sum(), step.losses_S[places].sum(), groups)


def states_of_row(model: LanguageModel, row: LocalRow, groups: ProcessGroupCollection) -> Tensor:
    """The final hidden states of this context rank's tokens, for a representation: [T, H]; [0, H] on earlier stages."""
    return head_input(model, model.embed(row.input_ids_T), row, groups, of_head=False)


def gather_rows(own_RH: Tensor, group: dist.ProcessGroup) -> tuple[Tensor, list[int]]:
    """The rows of every rank in turn, [S, H], and the places of this rank's own; ranks may hold different numbers."""
    counts = torch.zeros(group.size(), dtype=torch.int64, device=own_RH.device)
    counts[group.rank()] = len(own_RH)
    counts = sum_over(counts, group).tolist()
    padded_RH = own_RH.new_zeros(max(counts), own_RH.shape[1])
    padded_RH[: len(own_RH)] = own_RH
    parts = [torch.empty_like(padded_RH) for _ in counts]
    dist.all_gather(parts, padded_RH, group=group)
    order = [(turn, rank) for turn in range(max(counts)) for rank, count in enumerate(counts) if turn < count]
    gathered = [parts[rank][turn] for turn, rank in order]
    places = [place for place, (_, rank) in enumerate(order) if rank == group.rank()]
    return torch.stack(gathered) if gathered else own_RH.clone(), places


def with_value(part: Tensor, value: Tensor, groups: ProcessGroupCollection) -> Tensor:
    """The gradient of `part` and the value of a row's loss: over context ranks and stages they add up to both."""
    return part - part.detach() + (value if speaks_for_row(groups) else 0.0)
