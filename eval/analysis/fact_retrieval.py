"""What the answer's queries attend to: the fact retrieval (FR) score, and the mass of attention.

in : a model; rows with `input_ids` and `labels`
out: by token, float64 [N]; by layer and head [L, H, N]
Two forms, both means over the queries that predict the answer's tokens, the steps of an answer:
  top    share of the steps in which the token is among the `top` most attended of the row; the mean over the tokens of
         a kind is the paper's FR of that kind
  mass   the attention weight itself; over the last layers it is what the authors' published FR figure is drawn from
Only rows of the attention that predict the answer are computed, layer by layer.
Shapes: L layers, H heads, N tokens, R queries, K keys that they see.
"""

from collections.abc import Callable

import torch
from transformers import PreTrainedModel

from eval.analysis.attention_rows import LayerStates, attention_rows, layers_and_heads, seen_attention, visible_keys
from eval.analysis.information_flow import query_positions
from eval.analysis.reading import Reading, of_heads
from eval.analysis.settings import FactRetrievalSettings


def opened(model: PreTrainedModel, options: FactRetrievalSettings) -> Callable[[dict], torch.Tensor]:
    """The scores of one row after the other."""
    read = readings(model, options)
    return lambda row: read(row).scores


def readings(model: PreTrainedModel, options: FactRetrievalSettings) -> Callable[[dict], Reading]:
    """The scores of one row after the other, by layer and head."""
    first_layer = options.first_layer(layers_and_heads(model)[0])
    return lambda row: of_heads(fact_retrieval(model, row, options), first_layer)


@torch.no_grad()
def fact_retrieval(model: PreTrainedModel, row: dict, options: FactRetrievalSettings) -> torch.Tensor:
    """The scores of a row, fp32 or fp64 [L, H, N]; layers: those that the settings keep."""
    layers, heads = layers_and_heads(model)
    first_layer = options.first_layer(layers)
    queries = query_positions(row["labels"], "predicting").to(model.device)
    count = len(row["input_ids"])
    dtype = torch.promote_types(model.dtype, torch.float32)
    total_LHN = torch.zeros(layers - first_layer, heads, count, dtype=dtype, device=model.device)

    def add(states: LayerStates) -> None:
        if states.layer < first_layer:
            return
        for rows_R in queries.split(options.block):
            weights_HRK = attention_rows(states, rows_R)
            found_HRK = top_keys(weights_HRK, options.top) if options.form == "top" else weights_HRK
            total_LHN[states.layer - first_layer, :, visible_keys(states, rows_R)] += found_HRK.sum(1)

    with seen_attention(model, layer=add):
        model.base_model(input_ids=torch.tensor([row["input_ids"]], device=model.device), use_cache=False)
    return total_LHN / len(queries)


def top_keys(weights_HRK: torch.Tensor, top: int) -> torch.Tensor:
    """1 where a key is among the `top` most attended of its query and has weight at all, else 0: [H, R, K]."""
    best = weights_HRK.topk(min(top, weights_HRK.shape[-1]), dim=-1)
    return torch.zeros_like(weights_HRK).scatter_(-1, best.indices, (best.values > 0).to(weights_HRK.dtype))
