"""What a training method is: a callable that turns one row into a loss, and says how it is counted and told.

Invariant: the sum of the losses of all ranks that share a row is the row's loss, and its gradients likewise. Of the
stages of a pipeline, the last has the losses and knows the telemetry.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar, Protocol

from torch import Tensor

from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.objectives.row import NO_LABEL, LocalRow


class Objective(Protocol):
    """One training method under the settings and process groups of a run."""

    # Name of each telemetry value -> what a row weighs in its mean over a step: rows, tokens or labels.
    telemetry: ClassVar[Mapping[str, str]]

    def __call__(
        self, model: LanguageModel, row: LocalRow, *, lr_nominal: float, lr_scheduled: float
    ) -> tuple[Tensor, dict[str, float]]:
        """This rank's differentiable part of the row's loss sum, and the whole row's telemetry (on the last stage)."""

    def losses(
        self, model: LanguageModel, rows: Sequence[LocalRow], *, lr_nominal: float, lr_scheduled: float
    ) -> Iterator[tuple[Tensor, dict[str, float]]]:
        """The same of every row in turn, each when it is asked for: backward passes of earlier rows may come between.

        Stages of a pipeline then work on different rows at a time.
        """

    def rows_together(self, stages: int) -> int | None:
        """How many rows one call of `losses` takes in a pipeline of so many stages; None: as many as there are."""

    def own_units(self, row: LocalRow) -> int:
        """This rank's share of what the step's loss sum is divided by."""


class RowByRow:
    """A method that needs to know nothing of a row before its turn."""

    def losses(
        self, model: LanguageModel, rows: Sequence[LocalRow], *, lr_nominal: float, lr_scheduled: float
    ) -> Iterator[tuple[Tensor, dict[str, float]]]:
        """Each row's loss sum and telemetry."""
        return (self(model, row, lr_nominal=lr_nominal, lr_scheduled=lr_scheduled) for row in rows)

    def rows_together(self, stages: int) -> int | None:
        """Any number."""
        return None


class TokenObjective(RowByRow):
    """A method whose loss is a mean over labelled tokens."""

    telemetry: ClassVar[Mapping[str, str]] = {}

    def own_units(self, row: LocalRow) -> int:
        """Labelled tokens that this rank holds."""
        return own_labels(row)


def own_labels(row: LocalRow) -> int:
    """Labelled tokens that this rank holds; over the ranks that share the row they add up to row.num_labels."""
    return int((row.labels_T != NO_LABEL).sum())
