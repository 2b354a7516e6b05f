"""LOGO: reference-free preference of a good answer over two worse ones (Tang et al., arXiv 2410.18533).

p_k = mean log-probability of answer k; L = -log sigmoid(beta (p_w - (p_l1 + p_l2)/2 - margin)) + sft * CE(chosen).
The segments of a row come in threes: chosen, rejected, rejected; their labels are the answers.
The gradient is that of sum_t w_t l_t with w_t = dL/dl_t, so one weighted head pass does it under every layout.
(The released trainer reads the second rejected answer from the wrong offset; this one does not.)

# N tokens of the row, T local tokens of this rank, K answers of the row (3 for each preference)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
import torch.nn.functional as F
from megatron.core.process_groups_config import ProcessGroupCollection
from torch import Tensor

from contracts.errors import InputError
from contracts.packs import PackRow
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.engine.parallel import sum_over
from megatron_cdt.engine.pipeline import speaks_for_row
from megatron_cdt.objectives.cross_entropy import summed_cross_entropy, token_losses
from megatron_cdt.objectives.logo import LogoSettings
from megatron_cdt.objectives.objective import Column, RowObjective, row_work
from megatron_cdt.objectives.row import NO_LABEL, LocalRow, WholeRow

ANSWERS = 3


@dataclass(frozen=True)
class Logo(RowObjective):
    """Preference of the chosen answer, summed over the preferences of a row."""

    telemetry: ClassVar[Mapping[str, Column]] = {
        "preference_margin": Column("rows", "How much likelier the chosen answer is", "nats per token"),
        "preferred_share": Column("rows", "Preferences that the model shares", "share of preferences"),
    }
    explanation: ClassVar[str] = (
        "In every step the model compares a good answer with two worse ones, by its mean log-probability of a token."
    )
    settings: LogoSettings = field(default_factory=LogoSettings)

    def __call__(self, model: LanguageModel, row: LocalRow) -> tuple[Tensor, dict[str, float]]:
        """This rank's part of the row's loss (differentiable); telemetry: margin of log-probabilities, share won."""
        answer_T, labels_K = answers_of(row)
        with torch.no_grad():
            losses_T = token_losses(model, model.embed(row.input_ids_T), row, self.groups)
            sums_K = torch.zeros(len(labels_K), dtype=torch.float64, device=losses_T.device)
            sums_K = sum_over(sums_K.index_add(0, answer_T, losses_T.double()), self.groups.cp)
        log_probability_K = (-sums_K / labels_K).requires_grad_()
        loss = preference_loss(log_probability_K, self.settings)
        (slope_K,) = torch.autograd.grad(loss, log_probability_K)
        weights_T = (-slope_K / labels_K)[answer_T].float()
        weighted = summed_cross_entropy(
            model, model.embed(row.input_ids_T), row, self.groups, lambda _, positions_C: weights_T[positions_C]
        )
        return as_value(weighted, loss, self.groups), preference_telemetry(log_probability_K)

    def own_units(self, row: LocalRow) -> int:
        """Preferences of the row, counted by one context rank: the step's loss is their mean."""
        return len(row.whole.segment_lengths) // ANSWERS if self.groups.cp.rank() == 0 else 0

    @classmethod
    def complaint_about(cls, row: PackRow) -> str | None:
        """A preference is three segments."""
        count = len(row.segment_lengths)
        if count % ANSWERS == 0:
            return None
        return (
            f"logo needs segments in threes (chosen, rejected, rejected), but it has {count}; pack preference samples, "
            "or choose another method"
        )

    @classmethod
    def row_flops(cls, architecture: Architecture, row: WholeRow, settings: LogoSettings) -> float:
        """The answers' log-probabilities come first: they decide the weights."""
        work = row_work(architecture, row)
        return work.forward + work.training


def answers_of(row: LocalRow) -> tuple[Tensor, Tensor]:
    """The answer (segment) of every local token [T], and how many labels each answer has [K]."""
    lengths = torch.tensor(row.whole.segment_lengths)
    answer_N = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    labelled_N = torch.from_numpy(row.whole.labels_N != NO_LABEL)
    labels_K = torch.zeros(len(lengths), dtype=torch.float64).index_add(0, answer_N, labelled_N.double())
    if len(lengths) % ANSWERS or not labels_K.all():
        raise InputError(
            "method: logo needs rows whose segments come in threes (chosen, rejected, rejected), each with a labelled "
            "answer; pack preference samples, or choose another method"
        )
    device = row.labels_T.device
    return answer_N[row.indices_T].to(device), labels_K.to(device)


def preference_loss(log_probability_K: Tensor, settings: LogoSettings) -> Tensor:
    """Sum over preferences of -log sigmoid(beta (p_w - mean rejected - margin)) - sft * p_w."""
    chosen, first, second = log_probability_K.unflatten(0, (-1, ANSWERS)).unbind(1)
    advantage = chosen - (first + second) / 2 - settings.margin
    return (-F.logsigmoid(settings.beta * advantage) - settings.sft_weight * chosen).sum()


def as_value(weighted: Tensor, loss: Tensor, groups: ProcessGroupCollection) -> Tensor:
    """The gradient of `weighted`, the value of `loss`: summed over context ranks and stages both are the row's."""
    correction = loss.detach() - sum_over(weighted, groups.cp)
    return weighted + correction if speaks_for_row(groups) else weighted


@torch.no_grad()
def preference_telemetry(log_probability_K: Tensor) -> dict[str, float]:
    """Mean of p_w - mean rejected (nats per token), and the share of preferences where it is positive."""
    chosen, first, second = log_probability_K.unflatten(0, (-1, ANSWERS)).unbind(1)
    advantage = chosen - (first + second) / 2
    return {"preference_margin": advantage.mean().item(), "preferred_share": (advantage > 0).double().mean().item()}
