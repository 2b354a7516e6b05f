"""What a training method is: one class that owns its loss, its check of the rows, its operations and its telemetry.

A method of your own is a subclass in a file of its own and a line in `registry.py`.
Invariant: the sum of the losses of all ranks that share a row is the row's loss, and its gradients likewise. Of the
stages of a pipeline, the last has the losses and knows the telemetry.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

from megatron.core.process_groups_config import ProcessGroupCollection
from torch import Tensor

from contracts.packs import PackRow
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.objectives.method import SectionSettings
from megatron_cdt.objectives.row import NO_LABEL, LocalRow, WholeRow
from megatron_cdt.objectives.work import Work, forward_work


@dataclass(frozen=True)
class Column:
    """A telemetry value of a step: what a row weighs in its mean, what it is called, how the log shows it.

    A value with a `log_title` is in the training's log. Where no step's value is above `least`, the report says
    `remark` of the run ({value} is the largest); where one step's is not above 0, the log says `warning`, once.
    """

    weight: Literal["rows", "tokens", "labels"]
    title: str
    unit: str
    log_title: str = ""
    log_format: str = "{:>9.4f}"
    least: float = 0.0
    remark: str = ""
    warning: str = ""


@dataclass(frozen=True)
class Objective(ABC):
    """One training method under its settings and the process groups of a run."""

    # Name of each telemetry value -> its column.
    telemetry: ClassVar[Mapping[str, Column]] = {}
    # What the report says above the figures of the telemetry, in whole sentences.
    explanation: ClassVar[str] = ""
    # The telemetry value that is the loss before the method moves anything: curves of methods compare that one.
    plain_loss: ClassVar[str | None] = None
    # Why the loss itself is not comparable, where it is not.
    plain_loss_reason: ClassVar[str] = ""
    groups: ProcessGroupCollection
    settings: SectionSettings = field(default_factory=SectionSettings)

    def at_rates(self, lr_nominal: float, lr_scheduled: float) -> Self:
        """The method in a step with these learning rates, peak and present; itself where the loss knows neither."""
        return self

    @abstractmethod
    def losses(self, model: LanguageModel, rows: Sequence[LocalRow]) -> Iterator[tuple[Tensor, dict[str, float]]]:
        """Of every row of a set in turn: this rank's differentiable part of its loss sum, and the whole row's telemetry
        (on the last stage).

        Each is made when it is asked for: backward passes of earlier rows may come between, and stages of a pipeline
        work on different rows at a time. The set is all labelled rows of this data parallel rank in a step, or as many
        as `rows_together` says; those of other ranks: between_rows.py.
        """

    @classmethod
    def rows_together(cls, stages: int) -> int | None:
        """How many rows one call of `losses` takes in a pipeline of so many stages; None: as many as there are."""
        return None

    @classmethod
    def held_element_bytes(cls, residual_bytes: int) -> int:
        """Bytes of each embedding element of the rows of one `losses` that the first stage of a pipeline holds.

        `residual_bytes`: those of an element of the residual stream.
        """
        return 0

    def own_units(self, row: LocalRow) -> int:
        """This rank's share of what the step's loss sum is divided by: labelled tokens that it holds."""
        return own_labels(row)

    @classmethod
    def complaint_about(cls, row: PackRow) -> str | None:
        """Why the method cannot learn from a row of a pack, with the cure; None where it can."""
        return None

    @classmethod
    def row_flops(cls, architecture: Architecture, row: WholeRow, settings: SectionSettings) -> float:
        """Operations of one row's step, over all processes that share the row."""
        return row_work(architecture, row).training


class RowObjective(Objective):
    """A method whose loss is a sum of losses of single rows."""

    @abstractmethod
    def __call__(self, model: LanguageModel, row: LocalRow) -> tuple[Tensor, dict[str, float]]:
        """This rank's differentiable part of the row's loss sum, and the whole row's telemetry (on the last stage)."""

    def losses(self, model: LanguageModel, rows: Sequence[LocalRow]) -> Iterator[tuple[Tensor, dict[str, float]]]:
        """See Objective."""
        return (self(model, row) for row in rows)


def row_work(architecture: Architecture, row: WholeRow) -> Work:
    """One forward pass over a row."""
    return forward_work(architecture, [tokens for _, tokens in row.segments()], int((row.labels_N != NO_LABEL).sum()))


def own_labels(row: LocalRow) -> int:
    """Labelled tokens that this rank holds; over the ranks that share the row they add up to row.num_labels."""
    return int((row.labels_T != NO_LABEL).sum())
