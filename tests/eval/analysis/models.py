"""Tiny random models of several kinds of attention, and rows for them, in float64: what oracles are computed on."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM

from eval.benchmarks.hops.labelled_rows import IGNORED

SHAPE = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    # Larger than usual, so that attention is far from uniform.
    "initializer_range": 0.3,
}
CLASSES = {
    # grouped keys, RoPE
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE)),
    "sliding": lambda: MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=9)),
    # two layers with all tokens, one with a window; biases
    "mixed": lambda: Qwen2ForCausalLM(
        Qwen2Config(**SHAPE, use_sliding_window=True, sliding_window=7, max_window_layers=2)
    ),
}


def tiny_model(kind: str = "llama", attention: str = "sdpa", dtype: torch.dtype = torch.float64):
    """A model of CLASSES; the same weights whatever computes its attention."""
    torch.manual_seed(3)
    model = CLASSES[kind]().to(dtype).eval().requires_grad_(False)
    model.set_attn_implementation(attention)
    return model


def labelled_row(tokens: int = 40, seed: int = 5) -> dict:
    """Random tokens: facts among filler, a question, an answer of four tokens, and one labelled token in between."""
    ids = torch.randint(SHAPE["vocab_size"], (tokens,), generator=torch.Generator().manual_seed(seed)).tolist()
    labels = [IGNORED] * tokens
    labels[-4:] = ids[-4:]
    labels[10] = ids[10]
    borders = [("irrelevant", 6), ("supporting", 10), ("irrelevant", 14), ("interference", 18), ("emoji", 20)]
    borders += [("irrelevant", 24), ("supporting", 27), ("question", tokens - 4), ("answer", tokens)]
    starts = [0, *(end for _, end in borders)]
    spans = [{"kind": kind, "start": start, "end": end} for (kind, end), start in zip(borders, starts, strict=False)]
    return {"input_ids": ids, "labels": labels, "spans": spans}
