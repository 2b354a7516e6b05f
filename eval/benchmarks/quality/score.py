"""QuALITY's score: the share of questions whose right letter is the first one that the model names.

in : rows with "prediction" and "answers" (a letter from A to D, also within a text such as "(B)"); "hard" where known
out: accuracy x 100; of the hard questions alone; the share of predictions without any letter
invariant: a letter counts where it stands alone, as ZeroSCROLLS reads it; a prediction without one is wrong.
"""

import re
from dataclasses import replace

from contracts.errors import InputError
from eval.scoring.scored import Scored, mean, scored_texts

LETTER = re.compile(r"\b[A-D]\b")


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """Accuracy of the cell and of every sample."""
    scored = scored_texts(rows, "accuracy", is_right)
    hard = [detail["score"] for detail, row in zip(scored.rows, rows, strict=True) if row.get("hard")]
    silent = [100.0 * (letter_in(row["prediction"]) is None) for row in rows]
    return replace(scored, metrics={**scored.metrics, "accuracy_hard": mean(hard), "without_letter": mean(silent)})


def is_right(row: dict) -> float:
    """1 where the prediction's first letter is that of an answer; InputError for an answer without one."""
    expected = {letter_in(answer) for answer in row["answers"]}
    if not expected or None in expected:
        raise InputError(f"the answers {row['answers']!r} name no letter from A to D; write them as 'B' or '(B)'")
    return float(letter_in(row["prediction"]) in expected)


def letter_in(text: str) -> str | None:
    """The first of A, B, C, D that stands alone in `text`."""
    letter = LETTER.search(text)
    return letter.group() if letter else None
