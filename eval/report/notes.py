"""What a reader must know before believing a number: every note follows from the numbers themselves."""

import math
from collections.abc import Sequence

from eval.report.comparison import FEW_KEY_TOKENS, REAL_AT, evaluator_is_compared
from eval.report.inputs import ReportData

# Below this share of answers the task measures nothing about a model but its size.
UNSOLVED_BELOW = 5.0
FEW_SAMPLES = 50
# The area under the curve of a score that knows nothing.
GUESSING = 0.5


def notes(data: ReportData) -> list[str]:
    """Plain sentences, most important first."""
    return [
        *entropy_notes(data),
        *unsolved_notes(data),
        *detection_notes(data),
        *key_token_notes(data),
        *evaluator_notes(data),
        *telemetry_notes(data),
        *window_notes(data),
        *sample_notes(data),
        *training_notes(data),
    ]


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def parameters_text(data: ReportData) -> str:
    """How large the models are, where their answers say so."""
    sizes = {score["answered_by"].get("parameters") for score in data.scores} - {None}
    return f"{max(sizes) / 1e6:,.1f} million parameters" if sizes else ""


def training_text(data: ReportData) -> str:
    """How much the models that were trained here read, where their metrics say so."""
    read = {curve.steps[-1].get("consumed_tokens") for curve in data.curves if curve.steps} - {None}
    return f"trained here on {max(read) / 1e6:,.2f} million tokens" if read else ""


def entropy_notes(data: ReportData) -> list[str]:
    """Which models are not below the unigram entropy."""
    notes = []
    for length, cell in data.cells("perplexity", "books").items():
        for model, score in cell.items():
            bound = unigram_bound(score["metrics"]["unigram"])
            if score["metrics"]["nats_per_token"] >= bound:
                notes.append(
                    f"{model} at {length} tokens is not below the unigram entropy ({bound:.3f} nats): it has learnt "
                    "less than how often each token occurs."
                )
    return notes


def unigram_bound(unigram: dict) -> float:
    """The lowest of the unigram entropies: the bar that a model must be under (nats per token)."""
    return min(unigram[key] for key in ("held_back_entropy", "train_entropy", "cross_entropy") if key in unigram)


def unsolved_notes(data: ReportData) -> list[str]:
    """Tasks that no model solves."""
    best = {}
    for task, name in (("niah_single_1", "the needle task"), ("vt", "variable tracking")):
        scores = [
            score["metrics"]["string_match_all"]
            for score in data.scores
            if (score["benchmark"], score["task"]) == ("ruler", task)
        ]
        if scores and max(scores) < UNSOLVED_BELOW:
            best[name] = max(scores)
    if not best:
        return []
    size = listed([*filter(None, (parameters_text(data), training_text(data)))])
    why = f" With {size} that is expected." if size else ""
    return [
        f"No model here solves {' or '.join(best)} (at most {max(best.values()):.0f} %).{why} These cells show that "
        "the pipeline runs; they say nothing about the methods."
    ]


def detection_notes(data: ReportData) -> list[str]:
    """Critical-token detection that is no better than guessing."""
    lowest = []
    for score in data.scores:
        if score.get("detector") == "gradient":
            error = score["metrics"]["standard_error"]["auc_supporting"] or 0.0
            lowest.append((score["metrics"]["auc_supporting"] or GUESSING) - REAL_AT * error)
    if not lowest or max(lowest) > GUESSING:
        return []
    return [
        "No model's gradients find the supporting facts better than guessing (AUC 0.5): none of these models has "
        "learnt to use the facts for its answer."
    ]


def key_token_notes(data: ReportData) -> list[str]:
    """LongPPL cells that rest on few key tokens, or on none."""
    notes = []
    for length, cell in data.cells("longppl", "books").items():
        counts = {score["metrics"]["key_tokens"] for score in cell.values()}
        if max(counts) == 0:
            notes.append(
                f"LongPPL at {length:,} tokens has no value: the evaluator found no token that needs the long context. "
                "A small evaluator hardly uses distant text."
            )
        elif max(counts) < FEW_KEY_TOKENS:
            notes.append(f"LongPPL at {length:,} tokens rests on {max(counts)} key tokens: too few to compare models.")
    return notes


def evaluator_notes(data: ReportData) -> list[str]:
    """A model that is compared on tokens of its own choice."""
    judges = {evaluator_is_compared(cell) for cell in data.cells("longppl", "books").values()} - {None}
    return [
        f"The key tokens of LongPPL were found by {judge}, one of the models compared: tokens that it finds easy. That "
        "favours it, so no winner is named. An evaluator from outside gives a fair comparison."
        for judge in sorted(judges)
    ]


def telemetry_notes(data: ReportData) -> list[str]:
    """Methods that did nothing, or next to nothing: the remark of the lowest bar that no step was above."""
    remarks = []
    for curve in data.curves:
        missed = []
        for name, column in curve.words["columns"].items():
            largest = max(curve.values(name)[1], default=math.inf)
            if column["remark"] and largest <= column["least"]:
                missed.append((column["least"], column["remark"].format(value=largest)))
        remarks += [f"{curve.method}: {remark}" for _, remark in sorted(missed)[:1]]
    return remarks


def window_notes(data: ReportData) -> list[str]:
    """Cells that are longer than what their model claims to read."""
    beyond = sorted(
        {
            (score["model"], score["length"], score["answered_by"]["context_window"])
            for score in data.scores
            if (score["answered_by"].get("context_window") or score["length"]) < score["length"]
        }
    )
    return [
        f"{model} was asked to read {length} tokens, beyond its window of {window}." for model, length, window in beyond
    ]


def sample_notes(data: ReportData) -> list[str]:
    """How few samples the smallest cell has."""
    counts = [score["n"] for score in data.scores]
    if not counts or min(counts) >= FEW_SAMPLES:
        return []
    return [
        f"Cells have as few as {min(counts)} samples. Differences are given with their standard error; those within "
        "two of it are chance for all these numbers can tell."
    ]


def training_notes(data: ReportData) -> list[str]:
    """What the standard errors leave out, where trainings are compared."""
    if len(data.curves) < 2:
        return []
    return [
        "Each method was trained once. The standard errors tell how samples vary, not how another seed of the training "
        "would: train again with other values of train.seed before you call one method better."
    ]
