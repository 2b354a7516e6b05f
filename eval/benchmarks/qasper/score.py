"""Qasper's answer F1: the best over the annotators, and its means by the type of the best reference.

in : rows with "prediction" and "answers" (one per annotator); "answer_types" beside them for the means by type
out: F1 x 100
invariant: equal to the official evaluator's Answer F1; of equally good references the first gives the type.
"""

from dataclasses import replace

from contracts.errors import InputError
from eval.scoring.scored import Scored, mean, scored_texts
from eval.scoring.squad_metrics import best, token_f1

TYPES = ("extractive", "abstractive", "boolean", "none")


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """Answer F1 of the cell and of every sample."""
    scored = scored_texts(rows, "answer_f1", lambda row: best(token_f1, row["prediction"], row["answers"]))
    details = [{**detail, "type": type_of(row)} for detail, row in zip(scored.rows, rows, strict=True)]
    by_type = {kind: mean([detail["score"] for detail in details if detail["type"] == kind]) for kind in TYPES}
    return replace(scored, metrics={**scored.metrics, "answer_f1_by_type": by_type}, rows=details)


def type_of(row: dict) -> str | None:
    """The type of the reference that the prediction comes nearest to; None where the row tells no types."""
    types = row.get("answer_types")
    if not types:
        return None
    if not isinstance(types, list) or len(types) != len(row["answers"]):
        raise InputError(f"prediction {row.get('id')}: 'answer_types' must be a list with a type for every answer")
    scores = [token_f1(row["prediction"], answer) for answer in row["answers"]]
    return types[scores.index(max(scores))]
