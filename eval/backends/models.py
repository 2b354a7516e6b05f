"""A causal language model from an exported Hugging Face folder: losses per token, with the whole context or a cut one.

invariants: one row at a time, so nothing depends on a row's neighbours or on padding; the head is applied to
a chunk of positions at a time, so no [tokens, vocabulary] matrix of a whole row ever exists.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
import transformers
from transformers import AutoModelForCausalLM, PreTrainedModel

from contracts.errors import InputError
from contracts.files import existing_folder

# At a vocabulary of 128K, 512 positions of fp32 logits are 256 MiB.
HEAD_POSITIONS = 512
# Config keys of models whose logits are more than head(hidden states): the chunked loss would be wrong.
LOGIT_CHANGES = ("final_logit_softcapping", "logits_scaling", "logit_scale")


def choose_device(name: str) -> torch.device:
    """`auto` is the GPU where there is one; InputError where `cuda` is asked for and absent."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: no usable GPU here; use --device cpu or auto")
    return torch.device(name)


def load_model(folder: str | Path, device: torch.device, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """The model in `folder`, frozen, on `device`; InputError where the folder is not a causal model."""
    folder = existing_folder(folder, "give an exported Hugging Face model folder")
    if not sys.stderr.isatty():
        transformers.utils.logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        first_line = str(error).splitlines()[0]
        raise InputError(f"{folder}: cannot be loaded as a causal model ({first_line}); export it again") from None
    for key in LOGIT_CHANGES:
        if getattr(model.config, key, None) not in (None, 1.0):
            raise InputError(f"{folder}: its config sets {key}, which this evaluation does not support")
    return model.to(device).eval().requires_grad_(False)


def context_window(model: PreTrainedModel) -> int | None:
    """The longest input that the model's config claims (tokens); None where it claims none."""
    return getattr(model.config, "max_position_embeddings", None)


@torch.no_grad()
def token_losses(model: PreTrainedModel, input_ids: list[int], first: int = 1) -> torch.Tensor:
    """Loss (nats) of every token from position `first` on, given all before it in the row: fp32 [n - first]."""
    ids = torch.tensor(input_ids, device=model.device)
    hidden = model.base_model(input_ids=ids[None], use_cache=False).last_hidden_state[0, first - 1 : -1]
    head = model.get_output_embeddings()
    losses = [
        F.cross_entropy(head(states).float(), targets, reduction="none")
        for states, targets in zip(hidden.split(HEAD_POSITIONS), ids[first:].split(HEAD_POSITIONS), strict=True)
    ]
    return torch.cat(losses).cpu()


def stop_tokens(model: PreTrainedModel) -> set[int]:
    """The end-of-text tokens that the model's generation settings name."""
    named = model.generation_config.eos_token_id
    return set() if named is None else {named} if isinstance(named, int) else set(named)


def long_and_short_losses(
    model: PreTrainedModel, ids: list[int], window: int, stride: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """(losses with the whole row, losses with a cut context), both fp32 [n - 1] in nats, of tokens 1 to n - 1.

    Runs of `stride` tokens share a context that begins `window` tokens before the first of them. The first `window`
    tokens have no cut context: their second loss is nan.
    """
    long = token_losses(model, ids)
    short = torch.full_like(long, float("nan"))
    for start in range(0, len(ids) - window, stride):
        first = start + window
        last = min(first + stride, len(ids))
        short[first - 1 : last - 1] = token_losses(model, ids[start:last], first=window)
    return long, short
