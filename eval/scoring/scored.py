"""What a scorer gives back, the statistics that scorers share, a metric of every sample, and the mean over tasks."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from contracts.errors import InputError


@dataclass(frozen=True)
class Scored:
    """What a scorer says of a cell.

    score: the benchmark's headline number, 0 to 100; None where it has none (perplexities have not).
    per_sample: 0 to 1 (None where a sample has no score), in order. metrics: every number of the cell.
    rows: one object per sample, in order. headline: further keys of score.json's top level.
    """

    metrics: dict
    rows: list[dict]
    score: float | None = None
    per_sample: list[float | None] = field(default_factory=list)
    headline: dict = field(default_factory=dict)


def mean(values: Sequence[float]) -> float | None:
    """Mean, summed exactly so that the order of the samples does not matter; None of nothing."""
    return math.fsum(values) / len(values) if values else None


def standard_error(values: Sequence[float]) -> float | None:
    """Standard error of the mean over samples; None for fewer than two."""
    if len(values) < 2:
        return None
    center = mean(values)
    return math.sqrt(math.fsum((value - center) ** 2 for value in values) / (len(values) - 1) / len(values))


def finite_numbers(prediction: dict, key: str, count: int) -> list[float]:
    """The list `key` of a prediction; InputError unless it has `count` finite numbers."""
    values = prediction.get(key)
    if not isinstance(values, list) or len(values) != count:
        raise InputError(
            f"prediction {prediction['id']}: '{key}' must have {count} numbers; make the predictions again"
        )
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in values):
        raise InputError(f"prediction {prediction['id']}: '{key}' holds a value that is no number; check the model")
    return values


def scored_texts(rows: list[dict], name: str, metric: Callable[[dict], float]) -> Scored:
    """Mean of metric(row) (0 to 1) over the samples, in percent, with its standard error, and every answer."""
    per_sample = [scored_text(row, metric) for row in rows]
    details = [
        {"id": row.get("id"), "score": 100.0 * value, "answer": row["prediction"], "expected": row["answers"]}
        for row, value in zip(rows, per_sample, strict=True)
    ]
    percent = [row["score"] for row in details]
    score = mean(percent)
    return Scored({name: score, "standard_error": standard_error(percent)}, details, score, per_sample)


def scored_text(row: dict, metric: Callable[[dict], float]) -> float:
    """The metric of one answer; what it cannot do with it is said with the prediction's id."""
    try:
        return metric(row)
    except InputError as error:
        raise InputError(f"prediction {row.get('id')}: {error}") from None


def aggregate(scores: list[dict]) -> dict:
    """{"lengths": {length: {"tasks": {task: score}, "mean"}}, "score": mean over lengths}; tasks without a score count
    for nothing.
    """
    lengths: dict[str, dict] = {}
    for length in sorted({score["length"] for score in scores}):
        tasks = {score["task"]: score["score"] for score in scores if score["length"] == length}
        lengths[str(length)] = {"tasks": tasks, "mean": mean([value for value in tasks.values() if value is not None])}
    means = [entry["mean"] for entry in lengths.values() if entry["mean"] is not None]
    return {"lengths": lengths, "score": mean(means)}
