"""Losses between the rows of a step, those of other data parallel ranks included, with one row's graph in memory.

Gradient caching (Gao et al., arXiv 2101.06983), exact: every row's representation without a graph; the loss of them all
and its slope at each; then each row again, whose own representation times its slope has the loss's gradient.
Invariant: the numbers are those of all rows in one process under one graph, whichever rank holds which row or part.

# H features of a representation, R rows of this rank, S rows of the step over all data parallel ranks
"""

from collections.abc import Callable, Iterator, Sequence

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

# This rank's differentiable part of a row's representation, fp64 [H]: over context ranks and stages the parts add up.
Represent = Callable[[LocalRow], Tensor]
# The loss of each row from the representations of all: [S, H] -> [S].
LossOfRows = Callable[[Tensor], Tensor]


def losses_between(
    represent: Represent,
    loss_of_rows: LossOfRows,
    rows: Sequence[LocalRow],
    features: int,
    groups: ProcessGroupCollection,
) -> Iterator[Tensor]:
    """This rank's part of each of its rows' losses, in turn; every data parallel rank has to ask, with rows or without.

    Rows come to `loss_of_rows` in the order of the step where each has labels, else rank by rank within a turn.
    """
    with torch.no_grad():
        own = [sum_over(represent(row), groups.cp, groups.pp) for row in rows]
    own_RH = torch.stack(own) if own else torch.zeros(0, features, dtype=torch.float64, device=device())
    all_SH, places_R = gather_rows(own_RH, groups.dp)
    all_SH.requires_grad_()
    losses_S = loss_of_rows(all_SH)
    (slope_SH,) = torch.autograd.grad(losses_S.sum(), all_SH)
    for row, place in zip(rows, places_R, strict=True):
        yield with_value(represent(row) @ slope_SH[place], losses_S[place].detach(), groups)


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
