"""Plain cross-entropy training: the ordinary step on the embeddings as they are."""

from dataclasses import dataclass

from megatron.core.process_groups_config import ProcessGroupCollection
from torch import Tensor

from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.objectives.cross_entropy import summed_cross_entropy
from megatron_cdt.objectives.objective import TokenObjective
from megatron_cdt.objectives.row import LocalRow


@dataclass(frozen=True)
class CrossEntropy(TokenObjective):
    """L = sum over labelled tokens of -log p(token), divided by their global number in the optimizer step."""

    groups: ProcessGroupCollection

    def __call__(
        self, model: LanguageModel, row: LocalRow, *, lr_nominal: float, lr_scheduled: float
    ) -> tuple[Tensor, dict[str, float]]:
        """This rank's loss sum (nats, differentiable), and no telemetry; the learning rates are not used."""
        return summed_cross_entropy(model, model.embed(row.input_ids_T), row, self.groups), {}
