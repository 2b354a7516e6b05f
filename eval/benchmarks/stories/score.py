"""The score of stories: whether the last place that an answer names is the right one.

in : rows with "prediction" and "answers" (one place); "input" where the prompt is known
out: accuracy x 100, with either form of answer; guessing: what a place of the text, taken at random, would score
"""

import re
from dataclasses import replace

from eval.benchmarks.hops.stories import PLACES
from eval.scoring.scored import Scored, mean, scored_texts


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """Accuracy of the cell and of every sample."""
    scored = scored_texts(rows, "accuracy", lambda row: float(last_place(row) == row["answers"][0]))
    places = [len(set(place_pattern(row).findall(row["input"]))) for row in rows if "input" in row]
    return replace(scored, metrics={**scored.metrics, "guessing": mean([100.0 / max(count, 1) for count in places])})


def last_place(row: dict) -> str | None:
    """The last place that the prediction's first line names: a chain ends in it, and a place alone is it."""
    named = place_pattern(row).findall(row["prediction"].strip().partition("\n")[0])
    return named[-1] if named else None


def place_pattern(row: dict) -> re.Pattern:
    """Any place of the stories' own words, or the answer where somebody's question has another."""
    return re.compile(rf"\b({'|'.join(map(re.escape, [*PLACES, *row['answers']]))})\b")
