"""Supervised fine-tuning: cross-entropy on the answers only, the head computed at their positions only."""

from dataclasses import dataclass

from torch import Tensor

from contracts.errors import InputError
from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.objectives.ce import CrossEntropy
from megatron_cdt.objectives.row import LocalRow


@dataclass(frozen=True)
class SupervisedFineTuning(CrossEntropy):
    """L = sum over answer tokens of -log p(token); a row that labels every token is a mistake, and refused."""

    def __call__(
        self, model: LanguageModel, row: LocalRow, *, lr_nominal: float, lr_scheduled: float
    ) -> tuple[Tensor, dict[str, float]]:
        if not row.whole.answers_only:
            raise InputError(
                "method: sft trains on answers, but this pack labels every token; pack samples with answers "
                "(LongMIT, LongAlpaca), or choose method ce"
            )
        return super().__call__(model, row, lr_nominal=lr_nominal, lr_scheduled=lr_scheduled)
