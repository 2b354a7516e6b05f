"""Floating-point operations that a row asks for: what TFLOP/s and MFU divide by time.

Real tokens only, no padding; a multiply-add is 2. Attention counts the pairs that the causal mask leaves, L^2 / 2 for
a segment of L tokens. A backward pass is twice its forward; what is computed again to save memory is not work that
the model asked for (Megatron's convention for MFU). Norms, rotations and softmax are left out: under 1 %.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from contracts.packs import PackReader
from megatron_cdt.architecture import Architecture
from megatron_cdt.objectives.longce import short_windows
from megatron_cdt.objectives.row import NO_LABEL, WholeRow, whole_row
from megatron_cdt.objectives.settings import LongCeSettings, MethodSettings
from megatron_cdt.training.data_order import rows_of_step
from megatron_cdt.training.settings import TrainSettings


@dataclass(frozen=True)
class Work:
    """Operations of a forward pass, by what a backward pass through it costs."""

    linear: float  # matrices of the layers
    attention: float  # scores and their product with the values: no weights
    head: float  # logits, at labelled positions only

    @property
    def training(self) -> float:
        """Forward, and backward for inputs and weights."""
        return 3 * (self.linear + self.attention + self.head)

    @property
    def detection(self) -> float:
        """Forward, and backward for inputs alone: frozen matrices need no other; attention has no weights."""
        return 2 * (self.linear + self.head) + 3 * self.attention

    @property
    def forward(self) -> float:
        """Forward alone."""
        return self.linear + self.attention + self.head


def step_flops(architecture: Architecture, pack: PackReader, settings: TrainSettings, step: int) -> float:
    """Operations of an optimizer step, over all processes; a row without labels is not computed."""
    rows = rows_of_step(step, num_rows=len(pack), batch_rows=settings.global_batch_rows, seed=settings.seed)
    wholes = (whole_row(pack.row(index)) for index in rows)
    return sum(row_flops(architecture, row, settings) for row in wholes if (row.labels_N != NO_LABEL).any())


def row_flops(architecture: Architecture, row: WholeRow, method: MethodSettings) -> float:
    """Operations of one row's step under a method, over all processes that share the row."""
    work = forward_work(architecture, [tokens for _, tokens in row.segments()], int((row.labels_N != NO_LABEL).sum()))
    match method.method:
        case "cdt":
            return work.detection + work.training
        case "logo":
            # The answers' log-probabilities come first: they decide the weights.
            return work.forward + work.training
        case "longce":
            return short_context_work(architecture, row, method.longce).forward + work.training
        case _:
            return work.training


def forward_work(architecture: Architecture, segments: Iterable[int], labels: int) -> Work:
    """One forward pass over segments of so many real tokens, with so many labelled ones."""
    a = architecture
    lengths = list(segments)
    pairs = sum(length**2 for length in lengths) / 2
    heads = 2 * a.num_attention_heads + 2 * a.num_key_value_heads
    matrices = a.num_layers * a.hidden_size * (heads * a.head_dim + 3 * a.ffn_hidden_size)
    return Work(
        linear=2 * matrices * sum(lengths),
        attention=4 * pairs * a.num_attention_heads * a.head_dim * a.num_layers,
        head=2 * a.vocab_size * a.hidden_size * labels,
    )


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
