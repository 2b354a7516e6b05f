"""Answers from transformers, on a CPU or a GPU.

in : an exported Hugging Face folder, its tokenizer, the method of inference
out: losses of rows, answers to prompts (see eval.backends.request)
invariant: see eval.backends.decoding; losses are taken one row at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata

import torch
from transformers import PreTrainedModel

from contracts.errors import InputError
from contracts.tokenizer import Tokenizer
from eval.backends.decoding import Decoder
from eval.backends.request import Answer, Request, cut
from eval.backends.settings import GenerationSettings
from eval.inference.prompt_attention import (
    PromptAttention,
    flexprefill_attention,
    give_attention,
    takes_prompt_attention,
    xattention_attention,
)
from eval.inference.settings import InferenceName, InferenceSettings
from eval.models import choose_device, load_model, stop_tokens, token_losses


@dataclass(frozen=True)
class TransformersBackend:
    """A model that transformers runs."""

    model: PreTrainedModel
    tokenizer: Tokenizer
    settings: GenerationSettings
    attention: PromptAttention | None

    def facts(self) -> dict:
        """What the answers depend on besides model, samples and settings."""
        rows = {} if self.settings.dtype == "float32" else {"batch_rows": self.settings.batch_rows}
        return {
            "backend": "transformers",
            "device": self.model.device.type,
            "dtype": self.settings.dtype,
            **rows,
            "versions": {name: metadata.version(name) for name in ("torch", "transformers")},
        }

    def losses(self, input_ids: list[int]) -> tuple[list[float], float | None]:
        """Loss (nats) of every token but the first, and the share of the computed blocks."""
        losses = token_losses(self.model, input_ids)
        return losses.tolist(), self.attention.share() if self.attention else None

    def answers(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """One greedy answer for each request."""
        decoder = Decoder(
            model=self.model,
            tokenizer=self.tokenizer,
            ends=frozenset(stop_tokens(self.model)),
            batch_rows=self.settings.batch_rows,
            batch_tokens=self.settings.batch_tokens,
            attention=self.attention,
        )
        for row in decoder.rows(requests):
            yield Answer(cut(self.tokenizer, row.tokens, row.request.stop), len(row.tokens), row.share)


def open_transformers(
    folder: str,
    tokenizer: Tokenizer,
    settings: GenerationSettings,
    inference: InferenceName = "dense",
    options: InferenceSettings | None = None,
    device: str = "auto",
) -> TransformersBackend:
    """Load a model and give it the attention of a method; InputError where model and method do not go together."""
    model = load_model(folder, choose_device(device), getattr(torch, settings.dtype))
    if not takes_prompt_attention(model):
        if inference in ("flexprefill", "xattention"):
            raise InputError(f"{folder}: {inference} needs a model whose layers all attend to everything before")
        return TransformersBackend(model, tokenizer, settings, None)
    attention = attention_of(model, inference, options or InferenceSettings())
    # A name of its own: two models in one process must not share a count of blocks.
    give_attention(model, f"eval_{inference}_{id(attention):x}", attention)
    return TransformersBackend(model, tokenizer, settings, attention)


def attention_of(model: PreTrainedModel, inference: InferenceName, options: InferenceSettings) -> PromptAttention:
    """The attention of a method; dense for those that change the prompt only."""
    if inference == "flexprefill":
        return flexprefill_attention(options.flexprefill)
    if inference == "xattention":
        config = model.config
        return xattention_attention(options.xattention, config.num_hidden_layers, config.num_attention_heads)
    return PromptAttention()
