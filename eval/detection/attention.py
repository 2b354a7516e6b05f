"""Critical tokens by attention: how much the positions that predict the answer attend to each token.

in : a model folder; rows of hops
out: {"token_scores": attention weight averaged over heads, layers and the positions that predict the answer [n],
      "critical": 1 where that is at least its mean over the row}
invariant: the weights are those of transformers' eager attention; only the rows that predict the answer are computed,
layer by layer, so no [n, n] matrix ever exists.
"""

from collections.abc import Callable

import torch
from transformers import PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from contracts.errors import InputError
from eval.backends.models import choose_device, load_model
from eval.benchmarks.hops.labelled_rows import IGNORED
from eval.inference.prompt_attention import give_attention, takes_prompt_attention

ATTENTION_NAME = "hops_observed_attention"


class ObservedAttention:
    """Causal attention that adds up, over layers, the mean weights of the positions in `observed`."""

    def __init__(self) -> None:
        self.observed: list[int] = []
        self.layers = 0
        self.total: torch.Tensor | None = None

    def start(self, observed: list[int]) -> None:
        """Forget what was added up, and observe other positions."""
        self.observed, self.layers, self.total = observed, 0, None

    def __call__(self, module, query, key, value, attention_mask, scaling=None, **options):
        """transformers' attention interface; the output is that of its own scaled-dot-product attention."""
        weights = observed_weights(query[0], key[0], self.observed, scaling)
        self.total = weights if self.total is None else self.total + weights
        self.layers += 1
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **options)

    def mean(self) -> torch.Tensor:
        """The weights averaged over the layers: fp32 [n]."""
        return (self.total / self.layers).cpu()


def observed_weights(
    query_HND: torch.Tensor, key_GND: torch.Tensor, observed: list[int], scaling: float | None
) -> torch.Tensor:
    """Attention weights of the observed positions, averaged over them and over heads: fp32 [n]."""
    heads, _, dim = query_HND.shape
    rows = torch.tensor(observed, device=query_HND.device)
    query_HRD = query_HND[:, rows].float()
    key_HND = key_GND.float().repeat_interleave(heads // key_GND.shape[0], dim=0)
    logits_HRN = query_HRD @ key_HND.transpose(1, 2) * (dim**-0.5 if scaling is None else scaling)
    later_RN = torch.arange(key_HND.shape[1], device=rows.device) > rows[:, None]
    return logits_HRN.masked_fill(later_RN, float("-inf")).softmax(-1).mean((0, 1))


def opened(folder: str, device: str, options: None) -> Callable[[dict], dict]:
    """The detection of one row after the other; InputError for models with another attention."""
    model = load_model(folder, choose_device(device))
    attention = observed_attention(model, folder)

    def detect(row: dict) -> dict:
        scores = mean_attention(model, attention, row)
        return {"token_scores": scores.tolist(), "critical": (scores >= scores.mean()).int().tolist()}

    return detect


def observed_attention(model: PreTrainedModel, name: str) -> ObservedAttention:
    """Give a model, of this name, attention that is observed; InputError where it has another."""
    if not takes_prompt_attention(model):
        raise InputError(f"{name}: not every layer attends to all tokens; leave out the detector attention for it")
    attention = ObservedAttention()
    give_attention(model, ATTENTION_NAME, attention)
    return attention


@torch.no_grad()
def mean_attention(model: PreTrainedModel, attention: ObservedAttention, row: dict) -> torch.Tensor:
    """Attention of the positions that predict the answer, averaged over them, heads and layers: fp32 [n]."""
    attention.start(predicting_positions(row))
    model.base_model(input_ids=torch.tensor([row["input_ids"]], device=model.device), use_cache=False)
    return attention.mean()


def predicting_positions(row: dict) -> list[int]:
    """The positions whose output predicts a labelled token."""
    return [position - 1 for position, label in enumerate(row["labels"]) if label != IGNORED]
