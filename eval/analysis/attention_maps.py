"""Attention between chunks of a text (Figure 14): a layer's weights, mean over its heads, pooled while it computes.

in : a model; a row of hops; which layer, how many chunks
out: M[i, j], float64: the weight that the queries of chunk i put on all keys of chunk j together, mean over the queries
     and over heads; every line sums to 1
The answer is left out. The question (with what the chat template puts behind it) is the last chunk, as the last line
of the paper's figure is; the text before it is cut into equal chunks. Some queries at a time are pooled, so no [N, N]
matrix ever exists.
Shapes: N tokens, C chunks, H heads, R queries, K visible keys.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from transformers import PreTrainedModel

from contracts.errors import InputError
from eval.analysis.answers import answer_start
from eval.analysis.attention_rows import LayerStates, attention_rows, layers_and_heads, seen_attention, visible_keys
from eval.benchmarks.hops.score import FACT_KINDS

# Queries whose weights are held at once.
QUERY_BLOCK = 256
# The paper shows layer 24 of 32 and cuts 12,000 tokens into 46 chunks.
PAPER_DEPTH, PAPER_CHUNKS = 0.75, 46


@dataclass(frozen=True)
class Chunk:
    """A stretch of tokens, half open; `kind`: supporting or interference where it holds such a fact, question, or
    nothing.
    """

    start: int
    end: int
    kind: str


def chunks_of(row: dict, count: int) -> list[Chunk]:
    """The text before the question in count - 1 equal parts (to a token), and the question; InputError for too many."""
    question = next(span["start"] for span in row["spans"] if span["kind"] == "question")
    if count - 1 > question:
        raise InputError(f"sample {row['id']}: its text has {question} tokens, too few for {count} chunks; take fewer")
    borders = [question * index // (count - 1) for index in range(count)]
    text = [Chunk(start, end, chunk_kind(row, start, end)) for start, end in pairwise(borders)]
    return [*text, Chunk(question, answer_start(row), "question")]


def chunk_kind(row: dict, start: int, end: int) -> str:
    """supporting before interference, where facts of both lie in a chunk."""
    kinds = {span["kind"] for span in row["spans"] if span["start"] < end and start < span["end"]}
    return next((kind for kind in FACT_KINDS if kind in kinds), "")


@torch.no_grad()
def attention_map(model: PreTrainedModel, row: dict, layer: int, chunks: list[Chunk]) -> np.ndarray:
    """M of one row: [C, C]."""
    ids = torch.tensor([row["input_ids"][: chunks[-1].end]], device=model.device)
    chunk_N = torch.repeat_interleave(
        torch.arange(len(chunks)), torch.tensor([chunk.end - chunk.start for chunk in chunks])
    ).to(model.device)
    found: list[torch.Tensor] = []

    def see(states: LayerStates) -> None:
        if states.layer == layer:
            found.append(pooled_attention(states, chunk_N, len(chunks)))

    with seen_attention(model, layer=see):
        model.base_model(input_ids=ids, use_cache=False)
    return found[0].cpu().numpy()


def pooled_attention(states: LayerStates, chunk_N: torch.Tensor, count: int) -> torch.Tensor:
    """A layer's weights as [C, C]: summed over the keys of a chunk, mean over heads and the queries of a chunk."""
    sums_CC = torch.zeros(count, count, dtype=torch.float64, device=chunk_N.device)
    for rows_R in torch.arange(len(chunk_N), device=chunk_N.device).split(QUERY_BLOCK):
        weights_RK = attention_rows(states, rows_R).double().mean(0)
        by_key_RC = weights_RK.new_zeros(len(rows_R), count).index_add_(
            1, chunk_N[visible_keys(states, rows_R)], weights_RK
        )
        sums_CC.index_add_(0, chunk_N[rows_R], by_key_RC)
    return sums_CC / torch.bincount(chunk_N, minlength=count)[:, None]


def chosen_layer(model: PreTrainedModel, layer: int | None) -> int:
    """The layer to show, by default as deep as the paper's; InputError where the model has no such layer."""
    layers, _ = layers_and_heads(model)
    chosen = int(PAPER_DEPTH * layers) if layer is None else layer
    if not 0 <= chosen < layers:
        raise InputError(f"--layer {chosen}: the model has layers 0 to {layers - 1}")
    return chosen


def question_on(kind: str, map_CC: np.ndarray, chunks: list[Chunk]) -> float:
    """The share of the question's attention that lies on chunks of a kind."""
    return float(sum(map_CC[-1, place] for place, chunk in enumerate(chunks) if chunk.kind == kind))
