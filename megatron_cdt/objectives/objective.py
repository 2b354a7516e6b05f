"""What a training method is: a callable that turns one row into a loss, and says how it is counted and told.

Invariant: the sum of the losses of all ranks that share a row is the row's loss, and its gradients likewise. Of the
stages of a pipeline, the last has the losses and knows the telemetry.
"""

from collections.abc import Mapping
from typing import ClassVar, Protocol

from torch import Tensor

from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.objectives.row import NO_LABEL, LocalRow


class Objective(Protocol):
    """One training method under the settings and process groups of a run."""

    # Name of each telemetry value -> what a row weighs in its mean over a step: rows, tokens or labels.
    telemetry: ClassVar[Mapping[str, str]]
    # Whether the next rows' forward passes may come before this row's backward pass: not where a call has its own.
    rows_overlap: ClassVar[bool]

    def __call__(
        self, model: LanguageModel, row: LocalRow, *, lr_nominal: float, lr_scheduled: float
    ) -> tuple[Tensor, dict[str, float]]:
        """This rank's differentiable part of the row's loss sum, and the whole row's telemetry (on the last stage)."""

    def own_units(self, row: LocalRow) -> int:
        """This rank's share of what the step's loss sum is divided by."""


class TokenObjective:
    """A method whose loss is a mean over labelled tokens."""

    telemetry: ClassVar[Mapping[str, str]] = {}
    rows_overlap: ClassVar[bool] = True

    def own_units(self, row: LocalRow) -> int:
        """Labelled tokens that this rank holds."""
        return own_labels(row)


def own_labels(row: LocalRow) -> int:
    """Labelled tokens that this rank holds; over the ranks that share the row they add up to row.num_labels."""
    return int((row.labels_T != NO_LABEL).sum())
