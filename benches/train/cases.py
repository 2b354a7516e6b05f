"""The models and rows that are measured: Llama-3-8B's proportions, scaled down, on one process.

Invariant: weights and rows are functions of a seed alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from megatron.core.process_groups_config import ProcessGroupCollection
from torch import Tensor

from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.model import LanguageModel, ModelOptions, build_model
from megatron_cdt.huggingface.fresh import initialize_weights
from megatron_cdt.objectives.cdt import CdtSettings
from megatron_cdt.objectives.cdt.objective import ContextDenoising
from megatron_cdt.objectives.ce import CrossEntropy
from megatron_cdt.objectives.row import LocalRow, WholeRow, cut_row, next_tokens

SEED = 1234
PLAIN = ModelOptions()
RATES = {"lr_nominal": 1e-5, "lr_scheduled": 1e-5}


@dataclass(frozen=True)
class RowShape:
    """What kind of row is measured."""

    name: str
    segments: tuple[int, ...]  # tokens of each document
    labelled_share: float = 1.0  # of each document's tokens, its last ones: an answer

    @property
    def tokens(self) -> int:
        """Length of the row."""
        return sum(self.segments)


def scaled_llama(*, hidden: int, layers: int, vocabulary: int, head_dim: int = 32) -> Architecture:
    """Llama-3-8B's proportions (MLP 3.5 x hidden, 4 query heads for each key/value head) at another width."""
    heads = hidden // head_dim
    return Architecture(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 4,
        head_dim=head_dim,
        ffn_hidden_size=hidden * 7 // 2,
        max_position_embeddings=131072,
        rope_theta=500000.0,
    )


def whole_row(shape: RowShape, vocabulary: int) -> WholeRow:
    """Random tokens; the last `labelled_share` of each document is to be predicted."""
    ids_N = np.random.default_rng(SEED).integers(0, vocabulary, shape.tokens)
    targets = [answer_mask(length, shape.labelled_share) for length in shape.segments]
    labels_N = next_tokens(ids_N, np.concatenate(targets))
    real_N = np.ones(shape.tokens, dtype=bool)
    return WholeRow(ids_N, labels_N, real_N, list(shape.segments), answers_only=shape.labelled_share < 1)


def answer_mask(length: int, share: float) -> np.ndarray:
    """Which places of a document predict a token: the last ones of it, except the very last (nothing follows)."""
    places = np.arange(length)
    return (places >= length - 1 - round(share * (length - 1))) & (places < length - 1)


def build_row(shape: RowShape, vocabulary: int, groups: ProcessGroupCollection) -> LocalRow:
    """The row on this process's device."""
    return cut_row(whole_row(shape, vocabulary), groups)


def build_bench_model(
    architecture: Architecture, groups: ProcessGroupCollection, options: ModelOptions = PLAIN
) -> LanguageModel:
    """The model with seeded weights."""
    model = build_model(architecture, groups, options)
    initialize_weights(model, architecture, SEED, groups)
    return model


def plain_step(groups: ProcessGroupCollection) -> Callable[[LanguageModel, LocalRow], Tensor]:
    """Forward and backward of cross-entropy: step(model, row) -> loss sum."""
    return step_of(CrossEntropy(groups))


def denoising_step(
    groups: ProcessGroupCollection, settings: CdtSettings | None = None
) -> Callable[[LanguageModel, LocalRow], Tensor]:
    """Detection, then forward and backward of the denoised row: step(model, row) -> loss sum."""
    return step_of(ContextDenoising(groups, settings or CdtSettings()))


def step_of(objective: Callable) -> Callable[[LanguageModel, LocalRow], Tensor]:
    """The work of one row, up to the gradients; the optimizer's is the same for every method and left out."""

    def step(model: LanguageModel, row: LocalRow) -> Tensor:
        model.zero_grad(set_to_none=True)
        loss_sum, _ = objective.at_rates(**RATES)(model, row)
        loss_sum.backward()
        return loss_sum.detach()

    return step
