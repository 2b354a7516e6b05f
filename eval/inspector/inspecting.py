"""What the inspector's page shows: a text's scores by several instruments, what denoising does, the model's own answer.

in : a model; its tokenizer; a text, a question and the right answer
out: the page's data as JSON values:
     {"model", "question", "answer", "window", "tokens" (count), "chat" (whether a template stands around the text),
      "units": [text], "starts": [first token of each unit] or null where every unit is one token,
      "parts": [{"kind", "start", "end"}] in units,
      "instruments": [{"name", "title", "scores": [one a token]}],
      "own": {"text", "right"}, "loss" (nats a token), "threshold", "noise_tokens",
      "curve": {"steps", "lines": [{"name", "title", "losses", "right"}]}}
A unit is a token, or the bytes that together make a character.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from transformers import PreTrainedModel

from contracts.errors import InputError
from contracts.tokenizer import Tokenizer
from eval.analysis.answers import answer_start
from eval.analysis.denoising import Slopes, below_mean, directions, measured, moved_embeddings, row_gradient
from eval.analysis.denoising_settings import DIRECTIONS
from eval.analysis.embedding_gradient import row_embeddings
from eval.analysis.instruments import INSTRUMENTS
from eval.analysis.measuring import readings_of
from eval.analysis.settings import AnalysisSettings
from eval.backends.models import context_window
from eval.benchmarks.hops.labelled_rows import Piece, labelled_row
from eval.building.context import BuildContext
from eval.scoring.squad_metrics import exact_match

BYTE_PIECE = re.compile(r"(<0x[0-9A-F]{2}>)+")
# The paper's rule and the two controls that a reader needs most: other tokens as far, the same tokens anywhere.
SHOWN_DIRECTIONS = ("noise", "critical_matched", "random_direction")
STEPS = (1e-5, 5e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4)
# Tokens that the model may go on beyond the length of the right answer.
LONGER_ANSWER = 24
ENDING = "Answer:"


def question_row(context: BuildContext, text: str, question: str, answer: str) -> dict:
    """The row: the text, the question, `Answer:` where the question does not end so, and the answer."""
    asked = question.strip()
    asked = asked if asked.endswith(ENDING) else f"{asked}\n{ENDING}"
    pieces = [Piece("irrelevant", text), Piece("question", f"\n{asked}"), Piece("answer", f" {answer.strip()}")]
    row = labelled_row(context, pieces)
    return {"id": "text", **row}


def fitting_row(context: BuildContext, text: str, question: str, answer: str, window: int | None, cut: bool) -> dict:
    """The row; with `cut` of the beginning of a text that is too long. InputError where it does not fit the window."""
    row = question_row(context, text, question, answer)
    over = len(row["input_ids"]) - window if window else 0
    if over <= 0:
        return row
    if not cut:
        raise InputError(
            f"text, question and answer are {len(row['input_ids']):,} tokens, and the model reads {window:,}; shorten "
            "the text, or add --cut to keep its beginning"
        )
    ids, offsets = context.tokenizer.encode_with_offsets(text)
    while over > 0:
        kept = len(ids) - over
        if kept < 1:
            raise InputError(f"question and answer leave no room for a text in the model's {window:,} tokens")
        # A text that is cut may end in other tokens than it had there.
        row = question_row(context, text[: offsets[kept][0]], question, answer)
        ids, over = ids[:kept], len(row["input_ids"]) - window
    return row


def inspected(model: PreTrainedModel, tokenizer: Tokenizer, row: dict, names: Sequence[str]) -> dict:
    """The part of the data that the model says."""
    units, starts = units_of(tokenizer, row["input_ids"])
    gradient_ND = row_gradient(model, row)
    norms_N = gradient_ND.double().norm(dim=-1)
    return {
        "tokens": len(row["input_ids"]),
        "units": units,
        "starts": None if len(units) == len(row["input_ids"]) else starts,
        "parts": parts_in_units(row["spans"], starts),
        "instruments": [
            {
                "name": name,
                "title": INSTRUMENTS[name].title,
                "scores": short_numbers(instrument_scores(model, row, name)),
            }
            for name in names
        ],
        "own": own_answer(model, tokenizer, row),
        "loss": measured(model, row_embeddings(model, row["input_ids"]), row)["loss"],
        "threshold": float(norms_N.mean()),
        "noise_tokens": int(below_mean(norms_N).sum()),
        "curve": denoising_curve(model, row, gradient_ND, below_mean(norms_N)),
    }


def instrument_scores(model: PreTrainedModel, row: dict, name: str) -> list[float]:
    """One score a token by an instrument with its default settings; InputError where one is no number."""
    read = readings_of(INSTRUMENTS[name].module, model, getattr(AnalysisSettings(), name, None))
    scores = read(row).scores
    if not bool(torch.isfinite(scores).all()):
        raise InputError(f"{name}: a token's score is not finite; check that the model's weights are")
    return scores.tolist()


def short_numbers(values: list[float]) -> list[float]:
    """Numbers of 5 digits, more than a reader or a colour can tell apart."""
    return [float(f"{value:.5g}") for value in values]


def units_of(tokenizer: Tokenizer, ids: list[int]) -> tuple[list[str], list[int]]:
    """(what to show, its first token) of every token, or of every run of bytes."""
    pieces = {token: tokenizer.piece(token) for token in set(ids)}
    is_byte = [BYTE_PIECE.fullmatch(pieces[token]) is not None for token in ids]
    starts = [place for place in range(len(ids)) if not (place and is_byte[place] and is_byte[place - 1])]
    units = [
        tokenizer.decode(ids[start:end]) if is_byte[start] else pieces[ids[start]]
        for start, end in pairwise([*starts, len(ids)])
    ]
    return units, starts


def parts_in_units(spans: list[dict], starts: list[int]) -> list[dict]:
    """The spans in units; a unit belongs to the part in which it begins."""
    borders = np.searchsorted(starts, [[span["start"], span["end"]] for span in spans])
    return [
        {"kind": span["kind"], "start": int(start), "end": int(end)}
        for span, (start, end) in zip(spans, borders, strict=True)
        if start < end
    ]


@torch.no_grad()
def own_answer(model: PreTrainedModel, tokenizer: Tokenizer, row: dict) -> dict:
    """{"text": the model's greedy answer, its first line; "right": it has the right answer's tokens or its words}."""
    start = answer_start(row)
    expected = row["input_ids"][start:]
    prompt = torch.tensor([row["input_ids"][:start]], device=model.device)
    longest = len(expected) + LONGER_ANSWER
    generated = model.generate(
        input_ids=prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=False,
        max_new_tokens=min(longest, (context_window(model) or start + longest) - start),
        pad_token_id=tokenizer.eos_id or 0,
    )[0, start:].tolist()
    lines = tokenizer.decode(generated).strip().splitlines()
    text = lines[0] if lines else ""
    right = generated[: len(expected)] == expected or exact_match(text, tokenizer.decode(expected)) == 1.0
    # What follows a right answer is no part of it.
    shown = tokenizer.decode(expected).strip() if generated[: len(expected)] == expected else text
    return {"text": shown, "right": right}


def denoising_curve(model: PreTrainedModel, row: dict, gradient_ND: torch.Tensor, noise_N: torch.Tensor) -> dict:
    """The loss of the answer and whether it is right, over step sizes, for SHOWN_DIRECTIONS."""
    gradient_ND = gradient_ND.to(torch.promote_types(model.dtype, torch.float32))
    movable_N = torch.arange(len(noise_N), device=noise_N.device) < answer_start(row)
    slopes = Slopes(gradient_ND, gradient_ND, noise_N, noise_N, torch.zeros_like(noise_N), movable_N)
    shifts = directions(slopes, np.random.default_rng(0))
    return {"steps": STEPS, "lines": [dict(line) for line in curve_lines(model, row, shifts)]}


def curve_lines(model: PreTrainedModel, row: dict, shifts: dict[str, torch.Tensor]) -> Iterator[dict]:
    """{"name", "title", "losses", "right"} of every direction."""
    embeddings_ND = row_embeddings(model, row["input_ids"])
    for name in SHOWN_DIRECTIONS:
        found = [measured(model, moved_embeddings(embeddings_ND, shifts[name], step), row) for step in STEPS]
        yield {
            "name": name,
            "title": DIRECTIONS[name],
            "losses": [each["loss"] for each in found],
            "right": [each["right"] == 1.0 for each in found],
        }
