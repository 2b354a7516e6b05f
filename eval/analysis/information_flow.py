"""Information flow through attention, the IG score: A ⊙ |dL/dA| (Eq. 1), exact, with memory linear in the length.

in : a model; rows with `input_ids` and `labels`; settings: which queries count, and whose form
out: the flow from every token, float64 [N]; by layer and head [L, H, N]
Neither A nor its gradient is kept: while the loss goes back through a layer, rows of both are computed a block at a
time from its saved queries, keys and values, and summed over the queries at once.
Two forms:
  paper    sum over queries of A |dL/dA|, a number for every head (Eq. 1); the mean over heads and layers is the score
  scripts  mean over queries of |sum over heads of A dL/dA| without its diagonal, a number for every layer: what the
           authors' published code computes, over its last layers (settings)
Shapes: L layers, H heads, N tokens, R queries of a block, K keys that they see, D hidden size or width of a head.
"""

from collections.abc import Callable

import torch
from transformers import PreTrainedModel

from eval.analysis.attention_rows import (
    LayerStates,
    attention_gradient,
    attention_rows,
    layers_and_heads,
    recomputed_layers,
    seen_attention,
    visible_keys,
)
from eval.analysis.embedding_gradient import embedding_gradient, row_embeddings
from eval.analysis.reading import Reading, of_heads
from eval.analysis.settings import InformationFlowSettings
from eval.benchmarks.hops.labelled_rows import IGNORED


def opened(model: PreTrainedModel, options: InformationFlowSettings) -> Callable[[dict], torch.Tensor]:
    """The scores of one row after the other."""
    read = readings(model, options)
    return lambda row: read(row).scores


def readings(model: PreTrainedModel, options: InformationFlowSettings) -> Callable[[dict], Reading]:
    """The flow of one row after the other, by layer and head."""
    first_layer = options.first_layer(layers_and_heads(model)[0])
    return lambda row: of_heads(information_flow(model, row, options), first_layer)


def information_flow(model: PreTrainedModel, row: dict, options: InformationFlowSettings) -> torch.Tensor:
    """The flow of a row, fp32 or fp64 [L, H, N]; H is 1 in the scripts' form. Layers: those that the settings keep."""
    layers, heads = layers_and_heads(model)
    first_layer = options.first_layer(layers)
    queries = query_positions(row["labels"], options.queries).to(model.device)
    flow_of = FORMS[options.form]
    total_LHN = torch.zeros(
        layers - first_layer,
        heads if options.form == "paper" else 1,
        len(row["input_ids"]),
        dtype=torch.promote_types(model.dtype, torch.float32),
        device=model.device,
    )

    def add(states: LayerStates, gradient_NHD: torch.Tensor) -> None:
        if states.layer < first_layer:
            return
        for rows_R in queries.split(options.block):
            flow_HRK = flow_of(states, rows_R, gradient_NHD[rows_R])
            total_LHN[states.layer - first_layer, :, visible_keys(states, rows_R)] += flow_HRK.sum(1)

    with seen_attention(model, gradient=add), recomputed_layers(model, options.recompute):
        embedding_gradient(model, row_embeddings(model, row["input_ids"]), row["labels"])
    return total_LHN / len(queries) if options.form == "scripts" else total_LHN


def query_positions(labels: list[int], which: str) -> torch.Tensor:
    """The queries that count, ascending: those that predict the answer, the answer's own, or all."""
    labelled = (torch.tensor(labels) != IGNORED).nonzero().flatten()
    # The first token of a row is predicted by none.
    choices = {"predicting": labelled[labelled > 0] - 1, "answer": labelled, "all": torch.arange(len(labels))}
    return choices[which]


def paper_form(states: LayerStates, rows_R: torch.Tensor, gradient_RHD: torch.Tensor) -> torch.Tensor:
    """A ⊙ |dL/dA| of every head (Eq. 1): [H, R, K]."""
    return attention_rows(states, rows_R) * attention_gradient(states, rows_R, gradient_RHD).abs()


def scripts_form(states: LayerStates, rows_R: torch.Tensor, gradient_RHD: torch.Tensor) -> torch.Tensor:
    """|sum over heads of A ⊙ dL/dA|, 0 from a token to itself: [1, R, K]."""
    saliency_HRK = attention_rows(states, rows_R) * attention_gradient(states, rows_R, gradient_RHD)
    flow_RK = saliency_HRK.sum(0).abs()
    own_R = rows_R - visible_keys(states, rows_R).start
    flow_RK[torch.arange(len(rows_R), device=rows_R.device), own_R] = 0.0
    return flow_RK[None]


FORMS = {"paper": paper_form, "scripts": scripts_form}
