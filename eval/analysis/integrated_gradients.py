"""Integrated gradients: what each token adds to the answer's log-probability on the way from a baseline to the row.

in : a model; rows with `input_ids`, `labels` and, where they have them, `spans`; settings: baseline, tokens, points
out: (E - E') times the mean gradient of -L along the straight path from E' to E, summed over D: float64 [N], in nats
The mean is Gauss and Legendre's quadrature. Complete: the scores sum to L(E') - L(E); where the gap is above the
tolerance the points are doubled, and what remains of it is stated with the scores. Zeros are a hard beginning: next to
them a model's first norm turns within a hundredth of the path.
Shapes: N tokens, D hidden size.
"""

from collections.abc import Callable

import numpy as np
import torch
from transformers import PreTrainedModel

from eval.analysis.context import context_tokens
from eval.analysis.embedding_gradient import answer_loss, embedding_gradient, row_embeddings
from eval.analysis.reading import Reading
from eval.analysis.settings import IntegratedGradientsSettings


def opened(model: PreTrainedModel, options: IntegratedGradientsSettings) -> Callable[[dict], torch.Tensor]:
    """The scores of one row after the other."""
    read = readings(model, options)
    return lambda row: read(row).scores


def readings(model: PreTrainedModel, options: IntegratedGradientsSettings) -> Callable[[dict], Reading]:
    """The scores of one row after the other, with the points that they took and their gap (a share)."""

    def read(row: dict) -> Reading:
        embeddings_ND = row_embeddings(model, row["input_ids"])
        baseline_ND = baseline_embeddings(model, row, embeddings_ND, options)
        change = loss_of(model, baseline_ND, row) - loss_of(model, embeddings_ND, row)
        steps = options.steps
        while True:
            scores_N = path_scores(model, row, embeddings_ND, baseline_ND, steps)
            gap = abs(float(scores_N.sum()) - change) / max(abs(change), np.finfo(np.float32).eps)
            if gap <= options.tolerance or 2 * steps > options.steps_max:
                return Reading(scores_N, facts={"steps": steps, "gap": gap, "change": change})
            steps *= 2

    return read


@torch.no_grad()
def loss_of(model: PreTrainedModel, embeddings_ND: torch.Tensor, row: dict) -> float:
    """The answer's mean loss (nats) where the row has these embeddings."""
    return float(answer_loss(model, embeddings_ND, row["labels"]))


def baseline_embeddings(
    model: PreTrainedModel, row: dict, embeddings_ND: torch.Tensor, options: IntegratedGradientsSettings
) -> torch.Tensor:
    """E': where the path begins; tokens that do not move have their own embeddings."""
    moved_N = torch.ones(len(embeddings_ND), dtype=torch.bool)
    if options.tokens == "context":
        moved_N = torch.from_numpy(context_tokens(row))
    start_D = torch.zeros_like(embeddings_ND[0]) if options.baseline == "zero" else mean_embedding(model)
    return torch.where(moved_N.to(embeddings_ND.device)[:, None], start_D, embeddings_ND)


@torch.no_grad()
def mean_embedding(model: PreTrainedModel) -> torch.Tensor:
    """The mean over the vocabulary: [D]."""
    return model.get_input_embeddings().weight.mean(0)


def path_scores(
    model: PreTrainedModel, row: dict, embeddings_ND: torch.Tensor, baseline_ND: torch.Tensor, steps: int
) -> torch.Tensor:
    """sum over D of (E - E') times the integral of -dL/dE over the path, by so many points: float64 [N]."""
    points, weights = np.polynomial.legendre.leggauss(steps)
    way_ND = embeddings_ND - baseline_ND
    gradient_ND = torch.zeros(way_ND.shape, dtype=torch.float64, device=way_ND.device)
    for point, weight in zip((1 + points) / 2, weights / 2, strict=True):
        gradient_ND -= weight * embedding_gradient(model, baseline_ND + point * way_ND, row["labels"])[1]
    return (way_ND * gradient_ND).sum(-1).cpu()
