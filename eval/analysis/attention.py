"""Attention of the positions that predict the answer, over all heads and layers: the detector of that name.

in : a model whose layers attend to all tokens before; rows with `input_ids` and `labels`
out: the mean weight of each token, float64 [n] (eval.detection.attention)
"""

from collections.abc import Callable

import torch
from transformers import PreTrainedModel

from eval.detection.attention import mean_attention, observed_attention


def opened(model: PreTrainedModel, options: None) -> Callable[[dict], torch.Tensor]:
    """The weights of one row after the other; the model has its own attention again after each."""

    def scores(row: dict) -> torch.Tensor:
        before = model.config._attn_implementation
        attention = observed_attention(model, model.config.model_type)
        try:
            return mean_attention(model, attention, row).double()
        finally:
            model.set_attn_implementation(before)

    return scores
