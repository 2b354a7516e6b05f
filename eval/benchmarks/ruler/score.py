"""RULER's metrics: string_match_all, the share of the expected strings found in the answer; for the questions
string_match_part, whether any of them is.

Found means: a substring, upper and lower case alike, after control characters have been read as line breaks. Where a
sample says at which depths its needles lie, the score's row says so too.
"""

import re
from dataclasses import replace

from contracts.errors import InputError
from eval.scoring.scored import Scored, scored_texts

CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f]")
ANY_WILL_DO = ("qa_1", "qa_2")


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """Mean percentage of expected strings found, its standard error, and every answer."""
    if task in ANY_WILL_DO:
        return scored_texts(rows, "string_match_part", lambda row: float(max(occurrences(row))))
    scored = scored_texts(rows, "string_match_all", lambda row: sum(occurrences(row)) / len(row["answers"]))
    return replace(scored, rows=[detail | depths(row) for row, detail in zip(rows, scored.rows, strict=True)])


def depths(row: dict) -> dict:
    """{"depths": shares of the haystack} of a needle sample, else nothing."""
    return {"depths": row["depths"]} if "depths" in row else {}


def occurrences(row: dict) -> list[bool]:
    """Which of the expected strings occur in the answer; InputError where there is none."""
    if not row["answers"]:
        raise InputError("has no answers; give each at least one")
    answer = cleaned(row["prediction"]).lower()
    return [text.lower() in answer for text in row["answers"]]


def cleaned(answer: str) -> str:
    """The answer with control characters read as line breaks, and no space at its ends."""
    return CONTROL_CHARACTERS.sub("\n", answer.strip()).strip()
