"""What one model says about one packed row, on whatever device this process sees.

    [CUDA_VISIBLE_DEVICES=] python -m tests.gpu.scores HF_FOLDER --dtype bfloat16 --output scores.npz

in : a Hugging Face folder
out: logits [N, V], token losses, gradient norms and noise mask [N] of three documents with padding; loss, threshold
"""

import argparse

import numpy as np
import torch

from megatron_cdt.engine.device import megatron_calls
from megatron_cdt.engine.model import ModelOptions, build_model
from megatron_cdt.engine.options import Layout
from megatron_cdt.engine.parallel import start_processes, stop_processes
from megatron_cdt.huggingface.config import read_architecture
from megatron_cdt.huggingface.weights import load_weights
from megatron_cdt.objectives.cdt.objective import detect
from megatron_cdt.objectives.cross_entropy import token_losses
from megatron_cdt.objectives.row import LocalRow, WholeRow, cut_row, next_tokens

LENGTHS = [96, 32, 256]
PADDING = 8  # at the end of the last document


def row_of(vocabulary: int, groups) -> LocalRow:
    """The row, all of it labelled: norms then lie close together, and a mask that is a little off shows."""
    places = np.arange(sum(LENGTHS))
    ids = np.random.default_rng(1).integers(0, vocabulary, len(places))
    real = places < len(places) - PADDING
    ends = np.cumsum(LENGTHS) - 1
    targets = ~np.isin(places, ends) & (places < len(places) - PADDING - 1)
    return cut_row(WholeRow(ids, next_tokens(ids, targets), real, LENGTHS), groups)


def scores(folder: str, dtype: torch.dtype) -> dict[str, np.ndarray]:
    """The numbers of the row, in fp64."""
    groups = start_processes(Layout())
    architecture = read_architecture(folder)
    with megatron_calls():
        model = build_model(architecture, groups, ModelOptions(dtype=dtype, fp32_residual=dtype is not torch.float32))
        load_weights(model, folder, groups)
        row = row_of(architecture.vocab_size, groups)
        found = detect(model, row, model.embed(row.input_ids_T), reduction="sum", groups=groups)
        with torch.no_grad():
            embeddings = model.embed(row.input_ids_T)
            logits = model.hidden_states(embeddings, row.packing).squeeze(1) @ model.head_weight().T
            losses = token_losses(model, embeddings, row, groups)
    stop_processes()
    numbers = {"logits": logits, "losses": losses, "norms": found.norms_T, "noise": found.noise_T}
    numbers |= {"loss": found.loss, "threshold": found.threshold}
    return {name: tensor.double().cpu().numpy() for name, tensor in numbers.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], required=True)
    parser.add_argument("--output", required=True)
    arguments = parser.parse_args()
    np.savez(arguments.output, **scores(arguments.folder, getattr(torch, arguments.dtype)))
