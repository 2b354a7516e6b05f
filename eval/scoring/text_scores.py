"""A metric of one answer, applied to every sample: the shape of most scorers."""

from collections.abc import Callable

from contracts.errors import InputError
from eval.scoring.scored import Scored, mean, standard_error


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
