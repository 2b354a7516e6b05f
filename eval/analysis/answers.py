"""Whether a model answers a row right, and the row with an answer that is not its own.

in : rows of hops, whose labelled tokens, the answer, come last; a model, or predictions that somebody else made
out: {"right", "loss"} of a row; a row with other labels, as a control of what the labels have to do with the scores
"""

import json
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from contracts.errors import InputError
from contracts.files import existing_file
from eval.analysis.embedding_gradient import answer_loss, row_embeddings
from eval.benchmarks.hops.labelled_rows import IGNORED
from eval.building.samples import read_json_lines
from eval.scoring.squad_metrics import exact_match


@torch.no_grad()
def answered(model: PreTrainedModel, row: dict) -> dict:
    """{"right": the model's greedy answer is the row's, token by token; "loss": of the row's answer, nats a token}.

    The greedy answer is the labelled one if and only if every labelled token is the likeliest after those before it,
    which one pass over the whole row tells.
    """
    hidden_ND = model.base_model(
        input_ids=torch.tensor([row["input_ids"]], device=model.device), use_cache=False
    ).last_hidden_state[0]
    labels_N = torch.tensor(row["labels"], device=model.device)
    labelled = (labels_N[1:] != IGNORED).nonzero().flatten()
    likeliest = model.get_output_embeddings()(hidden_ND[labelled]).argmax(-1)
    loss = answer_loss(model, row_embeddings(model, row["input_ids"]), row["labels"])
    return {"right": bool((likeliest == labels_N[labelled + 1]).all()), "loss": float(loss)}


def judged_predictions(path: str | Path, rows: list[dict]) -> list[dict]:
    """{"right"} of every row by a file of lines {"id", "prediction"}: the same words as the row's `answer`."""
    lines = read_json_lines(existing_file(path, "give lines {id, prediction}, or leave the option out"))
    texts = {
        line["id"]: line["prediction"] for line in lines if isinstance(line, dict) and {"id", "prediction"} <= {*line}
    }
    if missing := [row["id"] for row in rows if not isinstance(texts.get(row["id"]), str)]:
        raise InputError(
            f"{path}: has no text 'prediction' for {len(missing)} rows, the first {missing[0]}; answer all"
        )
    return [{"right": exact_match(texts[row["id"]], row["answer"]) == 1.0} for row in rows]


def answer_start(row: dict) -> int:
    """Where the row's answer begins; InputError unless the labelled tokens are the last ones."""
    labelled = [position for position, label in enumerate(row["labels"]) if label != IGNORED]
    start = len(row["labels"]) - len(labelled)
    if not labelled or labelled[0] != start:
        raise InputError(f"sample {row['id']}: its labelled tokens are not its last ones; shuffled labels need that")
    return start


def with_answer(row: dict, answer: list[int]) -> dict:
    """The row with these tokens as its answer."""
    start = answer_start(row)
    ids = [*row["input_ids"][:start], *answer]
    spans = [span if span["kind"] != "answer" else {**span, "end": len(ids)} for span in row["spans"]]
    return {**row, "input_ids": ids, "labels": [IGNORED] * start + answer, "spans": spans}


def shuffled_rows(rows: list[dict], control: str, seed: int) -> list[dict]:
    """Every row with the answer of another, drawn among those that answer otherwise, or its own in another order."""
    answers = [row["input_ids"][answer_start(row) :] for row in rows]
    generator = np.random.default_rng(seed)
    drawn = other_answer if control == "other_row" else other_order
    return [with_answer(row, drawn(answers, index, generator)) for index, row in enumerate(rows)]


def other_answer(answers: list[list[int]], index: int, generator: np.random.Generator) -> list[int]:
    """The answer of another row; InputError where all rows have the same."""
    others = [answer for answer in answers if answer != answers[index]]
    if not others:
        raise InputError("all rows have the same answer; give more rows, or set analysis.control to none")
    return others[generator.integers(len(others))]


def other_order(answers: list[list[int]], index: int, generator: np.random.Generator) -> list[int]:
    """The answer's tokens in another order; InputError where there is only one."""
    answer = answers[index]
    if len(set(answer)) < 2:
        raise InputError(f"an answer is one token, {json.dumps(answer)}; set analysis.control to other_row or none")
    while (order := generator.permutation(answer).tolist()) == answer:
        continue
    return order
