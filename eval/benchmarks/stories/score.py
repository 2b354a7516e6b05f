"""The score of stories: whether the last place that an answer names is the right one.

in : rows with "prediction" and "answers" (one place); "input" where the prompt is known
out: accuracy x 100, with either form of answer; guessing: what a place of the text, taken at random, would score
"""

import re
from dataclasses import replace

from eval.benchmarks.hops.stories import PLACES
from eval.scoring.scored import Scored, mean, scored_texts

PLACE = re.compile(rf"\b({'|'.join(PLACES)})\b")


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """Accuracy of the cell and of every sample."""
    scored = scored_texts(rows, "accuracy", lambda row: float(last_place(row["prediction"]) == row["answers"][0]))
    places = [len(set(PLACE.findall(row["input"]))) for row in rows if "input" in row]
    return replace(scored, metrics={**scored.metrics, "guessing": mean([100.0 / max(count, 1) for count in places])})


def last_place(prediction: str) -> str | None:
    """The last place that the first line names: a chain ends in it, and a place alone is it."""
    named = PLACE.findall(prediction.strip().partition("\n")[0])
    return named[-1] if named else None
