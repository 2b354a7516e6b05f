"""NQ's scores: exact match, and whether an answer is spelt anywhere in the prediction's first line.

in : rows with "prediction" and "answers"
out: score = exact match x 100; both numbers at the top level
invariant: only the first line counts, as in Lost in the Middle: copying passages must not win.
"""

from collections.abc import Callable
from dataclasses import replace

from eval.scoring.scored import Scored, scored_texts
from eval.scoring.squad_metrics import best, contains_answer, exact_match


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """Both matches of the cell and of every sample."""
    exact = scored_texts(rows, "exact_match", lambda row: of_first_line(exact_match, row))
    within = scored_texts(rows, "substring_exact_match", lambda row: of_first_line(contains_answer, row))
    details = [
        {**detail, "substring_exact_match": other["score"], "gold_place": row.get("gold_place")}
        for detail, other, row in zip(exact.rows, within.rows, rows, strict=True)
    ]
    metrics = {**exact.metrics, "substring_exact_match": within.score}
    headline = {"exact_match": exact.score, "substring_exact_match": within.score}
    return replace(exact, metrics=metrics, rows=details, headline=headline)


def of_first_line(metric: Callable[[str, str], float], row: dict) -> float:
    """The best of `metric` over the answers, for the first line of the prediction."""
    return best(metric, row["prediction"].split("\n", 1)[0].strip(), row["answers"])
