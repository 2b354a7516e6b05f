"""string_match_all, RULER's metric for niah and vt: the share of the expected strings found in the answer.

Found means: a substring, upper and lower case alike.
"""

import re

from eval.scored import Scored
from eval.text_scores import scored_texts

CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f]")


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """Mean percentage of expected strings found, its standard error, and every answer."""
    return scored_texts(rows, "string_match_all", lambda row: found_share(cleaned(row["prediction"]), row["answers"]))


def cleaned(answer: str) -> str:
    """The answer with control characters read as line breaks, and no space at its ends."""
    return CONTROL_CHARACTERS.sub("\n", answer.strip()).strip()


def found_share(answer: str, expected: list[str]) -> float:
    """Share of the `expected` strings that occur in `answer`."""
    return sum(text.lower() in answer.lower() for text in expected) / len(expected)
