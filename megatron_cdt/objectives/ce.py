"""Plain cross-entropy training: the ordinary step on the embeddings as they are."""

from dataclasses import dataclass

from torch import Tensor

from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.objectives.cross_entropy import summed_cross_entropy
from megatron_cdt.objectives.objective import RowObjective
from megatron_cdt.objectives.row import LocalRow


@dataclass(frozen=True)
class CrossEntropy(RowObjective):
    """L = sum over labelled tokens of -log p(token), divided by their global number in the optimizer step."""

    def __call__(self, model: LanguageModel, row: LocalRow) -> tuple[Tensor, dict[str, float]]:
        """This rank's loss sum (nats, differentiable), and no telemetry."""
        return summed_cross_entropy(model, model.embed(row.input_ids_T), row, self.groups), {}
