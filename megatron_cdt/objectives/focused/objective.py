"""Focused Learning: a sample x and its masked twin x' are learned, and the state of x is drawn to that of its own x'.

L = CE(x) + CE(x') + weight x InfoNCE, each a mean over pairs; a cross-entropy is the mean over its answer's tokens.
InfoNCE_i = (-log softmax_j(s(h_i, h'_j) / t)_i - log softmax_j(s(h'_i, h_j) / t)_i) / 2 over all pairs j of the step,
those of other data parallel ranks included (arXiv 2411.05928, section 3; the symmetric form is ours).
The segments of a row come in pairs, x and then x'; their labels are the answers (data_prep augment makes them).
Gradients are exact with one row in memory at a time, for one forward pass more (between_rows.py).

# N tokens of the row, T local tokens, K samples of the row (2 a pair), P pairs of it, S pairs of the step, H hidden
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from contracts.errors import InputError
from contracts.packs import PackRow
from contracts.tokens import MASKED
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.engine.parallel import sum_over
from megatron_cdt.objectives.between_rows import StepItems, items_of_step, loss_of_row, states_of_row
from megatron_cdt.objectives.cross_entropy import cross_entropy_of_states, head_input
from megatron_cdt.objectives.focused import FocusedSettings
from megatron_cdt.objectives.objective import Column, Objective, row_work
from megatron_cdt.objectives.row import NO_LABEL, LocalRow, WholeRow

CURE = "pack pairs (python -m data_prep augment), or choose another method"


@dataclass(frozen=True)
class Samples:
    """The samples of a row, as this rank's tokens see them."""

    sample_T: Tensor  # int64, the sample of every token
    pooling_T: Tensor  # fp64, what a token weighs in the representation of its sample
    labels_K: Tensor  # fp64, labelled tokens of each


@dataclass(frozen=True)
class Focused(Objective):
    """Cross-entropy on the answers of whole and masked samples, and the contrast between them."""

    telemetry: ClassVar[Mapping[str, Column]] = {
        "answer_loss": Column("rows", "Loss of the answers after the whole text", "nats per token"),
        "masked_answer_loss": Column("rows", "Loss of the answers after the masked text", "nats per token", "masked"),
        "contrastive_loss": Column("rows", "Contrastive loss", "nats", "contrast"),
        "own_similarity": Column("rows", "Similarity of a sample to its masked twin", "similarity", "own"),
        "other_similarity": Column("rows", "Similarity of a sample to other masked samples", "similarity", "others"),
        "nearest_share": Column("rows", "Samples whose nearest masked sample is their twin", "share of samples"),
        "negatives": Column(
            *("rows", "Other pairs that a pair is told from", "pairs"),
            remark="every step had a single pair, so that the contrastive term was zero in all of them.",
            warning="this step has a single pair: its contrastive term is zero. Raise global_batch_rows.",
        ),
    }
    explanation: ClassVar[str] = (
        "Every sample is learned twice: with its whole text, and with a text of which only the chunks that suit the "
        "question are left. The state in which the model is about to answer is drawn to that of the same sample's "
        "masked text, and away from those of the step's other samples."
    )
    plain_loss: ClassVar[str | None] = "answer_loss"
    plain_loss_reason: ClassVar[str] = (
        "Focused Learning's loss is a sum of three; it is shown by its loss after the whole text alone, a mean over "
        "samples."
    )
    settings: FocusedSettings = field(default_factory=FocusedSettings)

    def losses(self, model: LanguageModel, rows: Sequence[LocalRow]) -> Iterator[tuple[Tensor, dict[str, float]]]:
        """All pairs' states first, then each row's part of the loss with its telemetry."""
        features = 2 * model.config.hidden_size

        def represent(row: LocalRow) -> Tensor:
            samples = samples_of(row, self.settings.token)
            return representations(states_of_row(model, row, self.groups), samples).reshape(-1, features)

        step = items_of_step(represent, self.contrast, rows, features, self.groups)
        for row, places in zip(rows, step.places, strict=True):
            yield self.loss_of(model, row, step, places)

    def contrast(self, pairs_SF: Tensor) -> Tensor:
        """What the contrastive term adds to the loss of each pair, [S]; both states of a pair are one row, F = 2 H."""
        return self.settings.weight * info_nce(similarities(pairs_SF, self.settings), self.settings.temperature)

    def loss_of(
        self, model: LanguageModel, row: LocalRow, step: StepItems, places: list[int]
    ) -> tuple[Tensor, dict[str, float]]:
        """One row's second pass: the answers' cross-entropies and the pairs' share of the contrast, by one graph."""
        samples = samples_of(row, self.settings.token)
        losses_K = torch.zeros_like(samples.labels_K)
        hidden_TH = head_input(model, model.embed(row.input_ids_T), row, self.groups)

        def mean_of_answer(losses_C: Tensor, positions_C: Tensor) -> Tensor:
            weights_C = samples.labels_K.reciprocal()[samples.sample_T[positions_C]]
            losses_K.index_add_(0, samples.sample_T[positions_C], losses_C.double() * weights_C)
            return weights_C.float()

        answers = cross_entropy_of_states(model, hidden_TH, row, self.groups, mean_of_answer)
        pairs_PF = representations(hidden_TH, samples).reshape(len(places), -1)
        if model.config.sequence_parallel:
            # The backward pass to the ranks' parts of the sequence adds up what each tensor parallel rank brings.
            pairs_PF = pairs_PF / self.groups.tp.size()
        contrast = loss_of_row(pairs_PF, step, places, self.groups)
        telemetry = contrast_telemetry(step.items_SH, places, self.settings)
        whole, masked = sum_over(losses_K, self.groups.cp).reshape(-1, 2).mean(0).tolist()
        return answers + contrast, {"answer_loss": whole, "masked_answer_loss": masked} | telemetry

    def own_units(self, row: LocalRow) -> int:
        """Pairs of the row, counted by one context rank: the step's loss is their mean."""
        return len(row.whole.segment_lengths) // 2 if self.groups.cp.rank() == 0 else 0

    @classmethod
    def complaint_about(cls, row: PackRow) -> str | None:
        """Segments are x and x' in turn, each with an answer."""
        names = row.segment_documents
        if len(names) % 2 or any(x + MASKED != masked for x, masked in zip(names[::2], names[1::2], strict=True)):
            return f"focused needs samples each followed by its masked twin, and it has others; {CURE}"
        if row.label_spans is None:
            return f"focused learns answers, but the row labels every token; {CURE}"
        segment_N = np.repeat(np.arange(len(names)), row.segment_lengths)
        answered_K = np.bincount(segment_N[row.supervised_tokens()], minlength=len(names)) > 0
        if answered_K.all():
            return None
        return f"focused learns answers, but sample {names[int(np.argmin(answered_K))]} has none; {CURE}"

    @classmethod
    def row_flops(cls, architecture: Architecture, row: WholeRow, settings: FocusedSettings) -> float:
        """The states of all pairs come first, without the head."""
        work = row_work(architecture, row)
        return work.linear + work.attention + work.training


def samples_of(row: LocalRow, token: str) -> Samples:
    """The samples of a row; InputError where they do not come in pairs, or one has no answer."""
    lengths = np.array(row.whole.segment_lengths)
    sample_N = np.repeat(np.arange(len(lengths)), lengths)
    labels_K = np.bincount(sample_N[row.whole.labels_N != NO_LABEL], minlength=len(lengths))
    if len(lengths) % 2 or not labels_K.all():
        raise InputError(f"method: focused needs rows of pairs, each sample with a labelled answer; {CURE}")
    pooling_N = pooling(row.whole, sample_N, labels_K, token)
    where = row.labels_T.device
    local = row.indices_T.numpy()
    return Samples(
        torch.from_numpy(sample_N[local]).to(where),
        torch.from_numpy(pooling_N[local]).to(where),
        torch.from_numpy(labels_K.astype(np.float64)).to(where),
    )


def pooling(row: WholeRow, sample_N: np.ndarray, labels_K: np.ndarray, token: str) -> np.ndarray:
    """What each token of the row weighs in its sample's representation, fp64 [N]; a sample's weights add up to 1.

    A label stands at the position that predicts it, one before its own.
    """
    weights_N = np.zeros(len(sample_N))
    predicting = np.flatnonzero(row.labels_N != NO_LABEL)
    if token == "answer_mean":
        weights_N[predicting + 1] = 1 / labels_K[sample_N[predicting]]
    elif token == "last_prompt":
        weights_N[predicting[np.unique(sample_N[predicting], return_index=True)[1]]] = 1
    else:
        weights_N[[start + tokens - 1 for start, tokens in row.segments()]] = 1
    return weights_N


def representations(hidden_TH: Tensor, samples: Samples) -> Tensor:
    """This rank's part of the states that stand for the samples: fp64 [K, H]."""
    total_KH = hidden_TH.new_zeros(len(samples.labels_K), hidden_TH.shape[1], dtype=torch.float64)
    if not len(hidden_TH):
        # An earlier stage of a pipeline has no final states, but its backward pass.
        return total_KH + hidden_TH.sum(dtype=torch.float64)
    seen = samples.pooling_T.nonzero().squeeze(1)
    weighted = hidden_TH[seen].double() * samples.pooling_T[seen, None]
    return total_KH.index_add(0, samples.sample_T[seen], weighted)


def similarities(pairs_SF: Tensor, settings: FocusedSettings) -> Tensor:
    """s(h_i, h'_j) of all pairs: [S, S]."""
    whole_SH, masked_SH = pairs_SF.chunk(2, dim=1)
    if settings.normalise:
        whole_SH, masked_SH = F.normalize(whole_SH, dim=1), F.normalize(masked_SH, dim=1)
    return whole_SH @ masked_SH.T


def info_nce(similarity_SS: Tensor, temperature: float) -> Tensor:
    """The mean of both directions for each pair, in nats: [S]; 0 of a single pair."""
    logits_SS = similarity_SS / temperature
    own_S = logits_SS.diagonal()
    return (logits_SS.logsumexp(1) + logits_SS.logsumexp(0)) / 2 - own_S


@torch.no_grad()
def contrast_telemetry(pairs_SF: Tensor, places: list[int], settings: FocusedSettings) -> dict[str, float]:
    """Of a row's pairs among those of the step: the contrastive loss, and how much nearer a twin is than the others."""
    similarity_SS = similarities(pairs_SF, settings)
    others = len(similarity_SS) - 1
    own_S = similarity_SS.diagonal()
    other_S = (similarity_SS.sum(1) - own_S) / max(others, 1)
    nearest_S = (similarity_SS.argmax(1) == torch.arange(len(own_S), device=own_S.device)).double()
    values = (info_nce(similarity_SS, settings.temperature), own_S, other_S, nearest_S)
    contrast, own, other, nearest = (value[places].mean().item() for value in values)
    return {
        "contrastive_loss": contrast,
        "own_similarity": own,
        "other_similarity": other if others else 0.0,
        "nearest_share": nearest,
        "negatives": float(others),
    }
