"""Occlusion: how much dearer the answer becomes without a chunk of the context. It measures what a token really does.

in : a model; rows with `input_ids`, `labels` and, where they have them, `spans`; settings: chunks, what replaces them
out: loss without the chunk minus loss of the whole row (nats), the mean over the chunks that hold the token: float64
     [N]; 0 outside the context
Shapes: N tokens, D hidden size, S tokens that stay.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from transformers import PreTrainedModel

from eval.analysis.context import context_tokens
from eval.analysis.embedding_gradient import answer_loss, row_embeddings
from eval.analysis.integrated_gradients import mean_embedding
from eval.analysis.reading import Reading
from eval.analysis.settings import OcclusionSettings

# Drawn alike for every row and model, so that two models miss the same.
SEED = 0


def opened(model: PreTrainedModel, options: OcclusionSettings) -> Callable[[dict], torch.Tensor]:
    """The scores of one row after the other."""
    read = readings(model, options)
    return lambda row: read(row).scores


def readings(model: PreTrainedModel, options: OcclusionSettings) -> Callable[[dict], Reading]:
    """The scores of one row after the other, with the tokens of a chunk and of a step."""

    @torch.no_grad()
    def read(row: dict) -> Reading:
        context = context_tokens(row)
        chunk, stride = chunk_and_stride(int(context.sum()), options)
        embeddings_ND = row_embeddings(model, row["input_ids"])
        loss_without = REPLACED[options.replace](model, row, embeddings_ND)
        whole = float(answer_loss(model, embeddings_ND, row["labels"]))
        total, chunks = np.zeros(len(embeddings_ND)), np.zeros(len(embeddings_ND))
        for positions in context_chunks(context, chunk, stride):
            total[positions] += loss_without(positions) - whole
            chunks[positions] += 1
        return Reading(torch.from_numpy(total / np.maximum(chunks, 1)), facts={"chunk": chunk, "stride": stride})

    return read


def chunk_and_stride(tokens: int, options: OcclusionSettings) -> tuple[int, int]:
    """Tokens of a chunk and from one to the next, both larger by a whole factor where a context has too many chunks."""
    stride = min(options.stride, options.chunk)
    factor = max(1, -(-tokens // (stride * options.most)))
    return options.chunk * factor, stride * factor


def context_chunks(context: np.ndarray, chunk: int, stride: int) -> Iterator[np.ndarray]:
    """The positions of every chunk; together they hold every token of the context. The last may be shorter."""
    positions = np.flatnonzero(context)
    for start in range(0, len(positions), stride):
        yield positions[start : start + chunk]
        if start + chunk >= len(positions):
            return


# The loss of a row without a chunk
WithoutChunk = Callable[[np.ndarray], float]


def hidden(model: PreTrainedModel, row: dict, embeddings_ND: torch.Tensor) -> WithoutChunk:
    """No query sees the chunk; every other token stays where it is. A sliding window reaches further back for it."""
    return lambda chunk: shortened_loss(model, row, embeddings_ND, chunk, keep_positions=True)


def removed(model: PreTrainedModel, row: dict, embeddings_ND: torch.Tensor) -> WithoutChunk:
    """The text as if the chunk had never been written."""
    return lambda chunk: shortened_loss(model, row, embeddings_ND, chunk, keep_positions=False)


def shortened_loss(
    model: PreTrainedModel, row: dict, embeddings_ND: torch.Tensor, chunk: np.ndarray, *, keep_positions: bool
) -> float:
    """The answer's loss over the tokens that stay."""
    stay_S = np.setdiff1d(np.arange(len(embeddings_ND)), chunk)
    labels = [row["labels"][position] for position in stay_S]
    stay_S = torch.from_numpy(stay_S).to(embeddings_ND.device)
    return float(answer_loss(model, embeddings_ND[stay_S], labels, stay_S if keep_positions else None))


def averaged(model: PreTrainedModel, row: dict, embeddings_ND: torch.Tensor) -> WithoutChunk:
    """Every token of the chunk is the mean of the vocabulary."""
    mean_D = mean_embedding(model)
    return lambda chunk: replaced_loss(model, row, embeddings_ND, chunk, mean_D)


def others(model: PreTrainedModel, row: dict, embeddings_ND: torch.Tensor) -> WithoutChunk:
    """Every token of the chunk is one that stands elsewhere in the context."""
    generator = np.random.default_rng(SEED)
    positions = np.flatnonzero(context_tokens(row))

    def loss(chunk: np.ndarray) -> float:
        elsewhere = np.setdiff1d(positions, chunk)
        drawn = generator.choice(elsewhere if len(elsewhere) else positions, len(chunk))
        return replaced_loss(model, row, embeddings_ND, chunk, embeddings_ND[torch.from_numpy(drawn)])

    return loss


def replaced_loss(model: PreTrainedModel, row: dict, embeddings_ND, chunk: np.ndarray, new: torch.Tensor) -> float:
    """The answer's loss where the chunk has other embeddings."""
    changed_ND = embeddings_ND.clone()
    changed_ND[torch.from_numpy(chunk)] = new
    return float(answer_loss(model, changed_ND, row["labels"]))


REPLACED = {"hide": hidden, "remove": removed, "mean": averaged, "others": others}
