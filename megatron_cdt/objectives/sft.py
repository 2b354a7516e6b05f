"""Supervised fine-tuning: cross-entropy on the answers only, the head computed at their positions only."""

from dataclasses import dataclass

from torch import Tensor

from contracts.errors import InputError
from contracts.packs import PackRow
from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.objectives.ce import CrossEntropy
from megatron_cdt.objectives.row import LocalRow

CURE = "pack samples with answers (LongMIT, LongAlpaca), or choose method ce"


@dataclass(frozen=True)
class SupervisedFineTuning(CrossEntropy):
    """L = sum over answer tokens of -log p(token); a row that labels every token is a mistake, and refused."""

    def __call__(self, model: LanguageModel, row: LocalRow) -> tuple[Tensor, dict[str, float]]:
        """This rank's loss sum over answers; InputError for a row that labels every token."""
        if not row.whole.answers_only:
            raise InputError(f"method: sft trains on answers, but this pack labels every token; {CURE}")
        return super().__call__(model, row)

    @classmethod
    def complaint_about(cls, row: PackRow) -> str | None:
        """A row without label spans labels every token."""
        return f"sft trains on answers, but it labels every token; {CURE}" if row.label_spans is None else None
