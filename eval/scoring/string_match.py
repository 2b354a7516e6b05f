"""string_match_all, RULER's metric for niah and vt: the share of the expected strings found in the answer.

Found means: a substring, upper and lower case alike. Scores are percentages; the cell's is the mean over samples.
"""

import re

from eval.samples import SampleSet
from eval.scoring.result import Scored, mean, standard_error

CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f]")


def score(samples: SampleSet, predictions: list[dict]) -> Scored:
    """Mean percentage of expected strings found, its standard error, and every answer."""
    rows = []
    for sample, prediction in zip(samples.rows, predictions, strict=True):
        answer = cleaned(prediction["text"])
        found = found_share(answer, sample["outputs"])
        rows.append({"id": sample["id"], "score": found, "answer": answer, "expected": sample["outputs"]})
    scores = [row["score"] for row in rows]
    return Scored({"string_match_all": mean(scores), "standard_error": standard_error(scores)}, rows)


def cleaned(answer: str) -> str:
    """The answer with control characters read as line breaks, and no space at its ends."""
    return CONTROL_CHARACTERS.sub("\n", answer.strip()).strip()


def found_share(answer: str, expected: list[str]) -> float:
    """Percentage of the `expected` strings that occur in `answer`."""
    return 100.0 * sum(text.lower() in answer.lower() for text in expected) / len(expected)
