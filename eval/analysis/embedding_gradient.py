"""The gradient of the answer's loss with respect to each token's embedding: what CDT's detection reads.

in : a model folder's model; rows with `input_ids` and `labels` (-100 where no loss is taken)
out: norms of dL/dE, float64 [n]: L2 as in Eq. 2, or what the settings say
Shapes: N tokens, D hidden size, R labelled positions, V vocabulary.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from transformers import PreTrainedModel

from eval.analysis.settings import EmbeddingGradientSettings
from eval.backends.models import HEAD_POSITIONS
from eval.benchmarks.hops.labelled_rows import IGNORED


def opened(model: PreTrainedModel, options: EmbeddingGradientSettings | None) -> Callable[[dict], torch.Tensor]:
    """The norms of one row after the other."""
    norm = options.norm if options else 2

    def scores(row: dict) -> torch.Tensor:
        embeddings_ND = row_embeddings(model, row["input_ids"])
        return embedding_gradient(model, embeddings_ND, row["labels"])[1].double().norm(norm, dim=-1).cpu()

    return scores


def row_embeddings(model: PreTrainedModel, input_ids: list[int]) -> torch.Tensor:
    """The embeddings of a row's tokens, without a graph: [N, D]."""
    with torch.no_grad():
        return model.get_input_embeddings()(torch.tensor(input_ids, device=model.device))


def embedding_gradient(
    model: PreTrainedModel, embeddings_ND: torch.Tensor, labels: list[int]
) -> tuple[float, torch.Tensor]:
    """(mean loss in nats, dL/dE [N, D]) of a row whose tokens have these embeddings; the model stays frozen."""
    embeddings_ND = embeddings_ND.detach().requires_grad_(True)
    with torch.enable_grad():
        loss = answer_loss(model, embeddings_ND, labels)
        (gradient_ND,) = torch.autograd.grad(loss, embeddings_ND)
    return float(loss.detach()), gradient_ND


def answer_loss(
    model: PreTrainedModel, embeddings_ND: torch.Tensor, labels: list[int], positions_N: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean next-token loss (nats) over the labelled tokens; the head reads the labelled positions only.

    `positions_N`: where the tokens stand, where that is not one after the other.
    """
    targets_N = torch.tensor(labels, device=embeddings_ND.device)
    labelled_R = (targets_N[1:] != IGNORED).nonzero().flatten()
    placed = {}
    if positions_N is not None:
        # Without a mask transformers takes a gap between positions for the border of two packed texts.
        placed = {"position_ids": positions_N[None], "attention_mask": torch.ones_like(positions_N)[None]}
    output = model.base_model(inputs_embeds=embeddings_ND[None], use_cache=False, **placed)
    hidden_RD = output.last_hidden_state[0, labelled_R]
    head, targets_R = model.get_output_embeddings(), targets_N[labelled_R + 1]
    losses = [
        F.cross_entropy(head(states).float(), targets, reduction="sum")
        for states, targets in zip(hidden_RD.split(HEAD_POSITIONS), targets_R.split(HEAD_POSITIONS), strict=True)
    ]
    return torch.stack(losses).sum() / len(targets_R)
