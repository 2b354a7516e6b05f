"""Answers from transformers, on a CPU or a GPU.

in : an exported Hugging Face folder, its tokenizer, the method of inference
out: losses of rows, answers to prompts (see eval.backends.request)
invariant: see eval.backends.decoding; losses are taken one row at a time.
"""

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from transformers import PreTrainedModel

from contracts.errors import InputError
from contracts.tokenizer import Tokenizer
from eval.backends.decoding import Decoder
from eval.backends.models import choose_device, load_model, stop_tokens, token_losses
from eval.backends.request import Answer, Request, stopped_answer
from eval.backends.settings import GenerationSettings
from eval.inference.methods import SPARSE
from eval.inference.prompt_attention import PromptAttention, give_attention, takes_prompt_attention
from eval.inference.settings import InferenceName, InferenceSettings


@dataclass(frozen=True)
class TransformersBackend:
    """A model that transformers runs."""

    model: PreTrainedModel
    tokenizer: Tokenizer
    settings: GenerationSettings
    attention: PromptAttention | None

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
            answer = stopped_answer(self.tokenizer, row.tokens, row.request.stop)
            yield replace(answer, computed_blocks=row.share)


def open_backend(
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
        if inference in SPARSE:
            raise InputError(f"{folder}: {inference} needs a model whose layers all attend to everything before")
        return TransformersBackend(model, tokenizer, settings, None)
    attention = attention_of(model, inference, options or InferenceSettings())
    # A name of its own: two models in one process must not share a count of blocks.
    give_attention(model, f"eval_{inference}_{id(attention):x}", attention)
    return TransformersBackend(model, tokenizer, settings, attention)


def attention_of(model: PreTrainedModel, inference: InferenceName, options: InferenceSettings) -> PromptAttention:
    """The attention of a method; dense for those that change the prompt only."""
    if inference not in SPARSE:
        return PromptAttention()
    config = model.config
    module = importlib.import_module(SPARSE[inference])
    return module.attention(options, config.num_hidden_layers, config.num_attention_heads)
