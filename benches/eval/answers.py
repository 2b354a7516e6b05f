"""Tokens per second of greedy answers, against a plain `model.generate` loop over the same prompts.

One model, one process, the same number of threads, fp32. The loop answers prompt after prompt, as evaluation scripts
do. Both sides answer every prompt once before they are timed, and their tokens must be equal.
They take turns, and each ratio is taken within one turn.
"""

import random
import statistics
import time
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benches.train.report import Table, verdict
from contracts.tokenizer import Tokenizer
from eval.backends.request import Request
from eval.backends.settings import GenerationSettings
from eval.backends.transformers_backend import TransformersBackend, open_backend


def make_model(folder: Path, hidden: int, layers: int, vocabulary: int) -> None:
    """A random Llama whose predictions differ from token to token."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=hidden * 3,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=max(hidden // 256, 1),
        max_position_embeddings=8192,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    model.save_pretrained(folder)


def prompts(count: int, tokens: int, vocabulary: int, most: int) -> list[Request]:
    """Requests of nearly equal lengths, as the cells of a benchmark have them."""
    source = random.Random(0)
    lengths = [tokens - source.randrange(8) for _ in range(count)]
    return [Request([source.randrange(3, vocabulary) for _ in range(length)], most) for length in lengths]


def plain_loop(backend: TransformersBackend, requests: list[Request]) -> list[list[int]]:
    """What `generate` answers, prompt after prompt, with transformers' own attention and cache."""
    answers = []
    for request in requests:
        ids = torch.tensor([request.input_ids])
        generated = backend.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=request.most, do_sample=False, pad_token_id=0
        )
        answers.append([token for token in generated[0, ids.shape[1] :].tolist() if token != 2])
    return answers


def answers_table(
    folder: Path, tokenizer: Tokenizer, shapes: list[tuple[int, int, int]], count: int, most: int, turns: int
) -> Table:
    """One row for each (hidden size, layers, prompt tokens)."""
    rows = []
    for number, (hidden, layers, tokens) in enumerate(shapes):
        make_model(folder / str(number), hidden, layers, tokenizer.vocab_size)
        rows.append(measured(folder / str(number), tokenizer, (hidden, layers, tokens), count, most, turns))
    notes = [
        f"{count} prompts, at most {most} new tokens each; process seconds, median of {turns} turns; reading the "
        "prompts is included on both sides",
        "same text: whether every answer of both sides is equal",
    ]
    return Table("Generating answers, against a plain generate loop", rows, notes)


def measured(
    folder: Path, tokenizer: Tokenizer, shape: tuple[int, int, int], count: int, most: int, turns: int
) -> dict:
    """One row of the table."""
    ours = open_backend(str(folder), tokenizer, GenerationSettings(), device="cpu")
    plain = open_backend(str(folder), tokenizer, GenerationSettings(), device="cpu")
    plain.model.set_attn_implementation("sdpa")
    requests = prompts(count, shape[2], tokenizer.vocab_size, most)
    texts = [answer.text for answer in ours.answers(requests)]
    tokens = plain_loop(plain, requests)
    pairs = []
    for _ in range(turns):
        first = time.process_time()
        list(ours.answers(requests))
        second = time.process_time()
        plain_loop(plain, requests)
        pairs.append((second - first, time.process_time() - second))
    total = sum(map(len, tokens))
    ratio = statistics.median(theirs / mine for mine, theirs in pairs)
    same = texts == [tokenizer.decode(ids) for ids in tokens]
    return {
        "model": f"{shape[1]} x {shape[0]}",
        "prompt (tokens)": shape[2],
        "tokens/s": total / statistics.median(mine for mine, _ in pairs),
        "tokens/s, generate": total / statistics.median(theirs for _, theirs in pairs),
        "ratio": ratio,
        "target": ">= 1",
        "": verdict(ratio >= 1 and same),
        "same text": "yes" if same else "NO",
    }
