"""Pipeline parallelism inside autograd: hidden states travel to the next stage, their gradients travel back.

A stage's forward pass begins with `received_hidden` and ends with `sent_hidden`; its backward pass does the same the
other way round. So an objective reads the same on every stage: a stage without the head has no final hidden states,
and a loss of 0 whose backward() carries the later stages' gradient on.
Invariant: activations between two stages are received in the order in which they are sent, and so are gradients;
`learn_in_order` keeps the rows' backward passes in that order on every stage.

# T local tokens (T/tp under sequence parallelism), B = 1 row, H hidden
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from megatron.core.process_groups_config import ProcessGroupCollection
from torch import Tensor


class Channel:
    """Messages to and from one neighbouring stage in one direction; at most one of them waits to be received."""

    def __init__(self, group: dist.ProcessGroup, neighbour: int) -> None:
        self.group, self.neighbour = group, neighbour
        # The tensor must outlive its sending.
        self.under_way: tuple[dist.Work, Tensor] | None = None

    def send(self, tensor: Tensor) -> None:
        """Start sending; returns before the neighbour has received, but not before it has the message before."""
        if self.under_way:
            self.under_way[0].wait()
        tensor = tensor.detach().contiguous()
        self.under_way = dist.isend(tensor, self.neighbour, group=self.group), tensor

    def receive(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
        """The next message of the neighbour."""
        tensor = torch.empty(shape, dtype=dtype, device=device)
        dist.recv(tensor, self.neighbour, group=self.group)
        return tensor


@dataclass(frozen=True)
class Neighbours:
    """A stage's channels: hidden states go forward in one group, gradients back in another.

    Two groups, because NCCL would queue both directions of one group behind each other, and so wait for ever.
    """

    hidden_from: Channel | None
    hidden_to: Channel | None
    gradient_from: Channel | None
    gradient_to: Channel | None


def neighbours_of(groups: ProcessGroupCollection) -> Neighbours:
    """The channels of this process's stage; None where there is no earlier or no later stage."""
    stage, stages = groups.pp.rank(), groups.pp.size()
    before = dist.get_global_rank(groups.pp, stage - 1) if stage else None
    after = dist.get_global_rank(groups.pp, stage + 1) if stage + 1 < stages else None
    return Neighbours(
        hidden_from=None if before is None else Channel(groups.pp, before),
        hidden_to=None if after is None else Channel(groups.pp, after),
        gradient_from=None if after is None else Channel(groups.mp, after),
        gradient_to=None if before is None else Channel(groups.mp, before),
    )


class ReceiveHidden(torch.autograd.Function):
    """The earlier stage's hidden states [T, B, H]; their gradient is sent to it.

    The stage's 0 embeddings [0, B, H] put it into autograd's graph.
    """

    @staticmethod
    def forward(ctx, embeddings_0BH: Tensor, shape: tuple[int, ...], neighbours: Neighbours) -> Tensor:
        ctx.neighbours = neighbours
        return neighbours.hidden_from.receive(shape, embeddings_0BH.dtype, embeddings_0BH.device)

    @staticmethod
    def backward(ctx, grad_TBH: Tensor):
        ctx.neighbours.gradient_to.send(grad_TBH)
        return grad_TBH.new_empty((0, *grad_TBH.shape[1:])), None, None


class SendHidden(torch.autograd.Function):
    """Hands this stage's hidden states on and keeps none: [T, B, H] -> [0, B, H]; their gradient is received."""

    @staticmethod
    def forward(ctx, hidden_TBH: Tensor, neighbours: Neighbours) -> Tensor:
        ctx.like = tuple(hidden_TBH.shape), hidden_TBH.dtype, hidden_TBH.device
        ctx.neighbours = neighbours
        neighbours.hidden_to.send(hidden_TBH)
        return hidden_TBH.new_empty((0, *hidden_TBH.shape[1:]))

    @staticmethod
    def backward(ctx, _grad_of_nothing: Tensor):
        return ctx.neighbours.gradient_from.receive(*ctx.like), None


def is_last_stage(groups: ProcessGroupCollection) -> bool:
    """Whether this process's stage has the head, and so the losses."""
    return groups.pp.rank() == groups.pp.size() - 1


def speaks_for_row(groups: ProcessGroupCollection) -> bool:
    """Whether this is the one of the context ranks and stages sharing a row that counts what all know about it."""
    return groups.cp.rank() == 0 and is_last_stage(groups)


def learn_in_order(losses: Iterable[Tensor], groups: ProcessGroupCollection) -> None:
    """backward() of every loss, in order, while as many rows are under way as there are stages from here to the last.

    `losses` runs a row's forward pass when it is asked for the row's loss, so the stages work on different rows at the
    same time (one forward, one backward, PipeDream-flush). No row is under way when this returns.
    """
    stages_from_here = groups.pp.size() - groups.pp.rank()
    waiting: list[Tensor] = []
    for loss in losses:
        waiting.append(loss)
        if len(waiting) >= stages_from_here:
            waiting.pop(0).backward()
    for loss in waiting:
        loss.backward()
