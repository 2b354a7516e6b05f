"""LongCE: tokens that need the long context weigh more (Fang et al., "What is wrong with perplexity?", 2410.23771).

The model that is being trained reads every token twice: with all its context, and with the last K to K+d-1
tokens only. w_t = min(exp(l_short(t) - l_long(t)), clip); tokens before K weigh 1; weights carry no gradient.
The short windows are packed as the segments of further rows, so they run under every layout of processes.

# N tokens of the row, T local tokens of this rank
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from megatron.core.process_groups_config import ProcessGroupCollection
from torch import Tensor

from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.engine.parallel import sum_over
from megatron_cdt.objectives.cross_entropy import summed_cross_entropy, token_losses
from megatron_cdt.objectives.longce import LongCeSettings
from megatron_cdt.objectives.objective import Column, RowObjective, row_work
from megatron_cdt.objectives.row import NO_LABEL, LocalRow, WholeRow, cut_row, padded_length
from megatron_cdt.objectives.work import Work, forward_work


@dataclass(frozen=True)
class Window:
    """Tokens start..end of the row are read; the tokens from `scored` on get their short-context loss there."""

    start: int
    scored: int
    end: int


@dataclass(frozen=True)
class LongCe(RowObjective):
    """L = sum over labelled tokens of w_t x -log p(token)."""

    telemetry: ClassVar[Mapping[str, Column]] = {
        "mean_weight": Column("labels", "Mean weight of a token", "times cross-entropy"),
        "clipped_share": Column("labels", "Tokens at the largest weight", "share of tokens"),
    }
    explanation: ClassVar[str] = (
        "In every step the model reads each token twice: with all its context, and with the nearest part of it alone. "
        "A token that needs the rest weighs more."
    )
    settings: LongCeSettings = field(default_factory=LongCeSettings)

    def __call__(self, model: LanguageModel, row: LocalRow) -> tuple[Tensor, dict[str, float]]:
        """This rank's weighted loss sum (nats, differentiable); telemetry: mean weight and share at the clip."""
        short_T = self.short_context_losses(model, row)[row.indices_T].to(row.labels_T.device)
        weights_T = torch.zeros(len(short_T), device=row.labels_T.device)

        def weigh(long_C: Tensor, positions_C: Tensor) -> Tensor:
            weights_T[positions_C] = token_weights(short_T[positions_C], long_C, clip=self.settings.clip)
            return weights_T[positions_C]

        loss_sum = summed_cross_entropy(model, model.embed(row.input_ids_T), row, self.groups, weigh)
        sums = torch.stack([weights_T.double().sum(), (weights_T >= self.settings.clip).double().sum()])
        total, clipped = (sum_over(sums, self.groups.cp) / row.num_labels).tolist()
        return loss_sum, {"mean_weight": total, "clipped_share": clipped}

    @torch.no_grad()
    def short_context_losses(self, model: LanguageModel, row: LocalRow) -> Tensor:
        """l_short of every labelled position of the whole row: fp32 [N]; NaN where no window scores it."""
        windows = [
            window
            for start, tokens in row.whole.segments()
            for window in short_windows(start, tokens, self.settings.context, self.settings.stride)
        ]
        short_N = torch.full((len(row.whole.labels_N),), torch.nan)
        for batch in batches(windows, len(row.whole.labels_N)):
            window_row, places = windows_as_row(row.whole, batch, self.groups)
            losses_T = token_losses(model, model.embed(window_row.input_ids_T), window_row, self.groups)
            losses = losses_T.new_zeros(len(places))
            losses[window_row.indices_T.to(losses.device)] = losses_T
            scored = window_row.whole.labels_N != NO_LABEL
            short_N[places[scored]] = sum_over(losses, self.groups.cp)[scored].cpu()
        return short_N

    @classmethod
    def row_flops(cls, architecture: Architecture, row: WholeRow, settings: LongCeSettings) -> float:
        """The short windows are read before the step."""
        short = short_context_work(architecture, row, settings)
        return short.forward + row_work(architecture, row).training


def token_weights(short_C: Tensor, long_C: Tensor, *, clip: float) -> Tensor:
    """w = min(exp(l_short - l_long), clip), and 1 where there is no short-context loss."""
    return torch.where(short_C.isnan(), 1.0, (short_C - long_C).exp().clamp(max=clip))


def short_windows(start: int, tokens: int, context: int, stride: int) -> Iterator[Window]:
    """The windows of one segment: K+d tokens, of which the last d are scored; the last one ends with the segment."""
    for offset in range(0, tokens - context, stride):
        end = min(offset + context + stride, tokens)
        yield Window(start + offset, start + offset + context, start + end)


def batches(windows: Sequence[Window], tokens: int) -> Iterator[list[Window]]:
    """Windows in groups that together are at most about as long as a row, so that memory is the row's."""
    batch, size = [], 0
    for window in windows:
        length = window.end - window.start
        if batch and size + length > tokens:
            yield batch
            batch, size = [], 0
        batch.append(window)
        size += length
    if batch:
        yield batch


def windows_as_row(
    whole: WholeRow, windows: Sequence[Window], groups: ProcessGroupCollection
) -> tuple[LocalRow, np.ndarray]:
    """Windows as the segments of one row, labelled where they score; and the place in `whole` of each of its tokens.

    The token at `scored` is predicted from the position before it, so a label sits one place before its token.
    """
    ids, labels, real, places, lengths = [], [], [], [], []
    for window in windows:
        length, padded = window.end - window.start, padded_length(window.end - window.start, groups)
        place = np.minimum(np.arange(padded), length - 1) + window.start
        scores = (np.arange(padded) >= window.scored - window.start - 1) & (np.arange(padded) < length - 1)
        ids.append(whole.input_ids_N[place])
        labels.append(np.where(scores, whole.labels_N[place], NO_LABEL))
        real.append(np.arange(padded) < length)
        places.append(place)
        lengths.append(padded)
    row = WholeRow(np.concatenate(ids), np.concatenate(labels), np.concatenate(real), lengths)
    return cut_row(row, groups), np.concatenate(places)


def short_context_work(architecture: Architecture, row: WholeRow, settings: LongCeSettings) -> Work:
    """LongCE's windows, which read most tokens a second time."""
    labelled_N = np.asarray(row.labels_N) != NO_LABEL
    windows = [
        window
        for start, tokens in row.segments()
        for window in short_windows(start, tokens, settings.context, settings.stride)
    ]
    labels = sum(int(labelled_N[window.scored - 1 : window.end - 1].sum()) for window in windows)
    return forward_work(architecture, [window.end - window.start for window in windows], labels)
