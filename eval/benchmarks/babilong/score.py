"""BABILong's accuracy, as its metrics.py tells it: the answer names the expected label and no other.

What counts is the part before the first full stop, `<context>` or `<example>`, in lower case. Labels that the question
names are passed over. A list of objects must be named whole, and nothing else.
"""

from contracts.errors import InputError
from eval.benchmarks.babilong.prompts import labels
from eval.scoring.scored import Scored, scored_texts

ENDS = (".", "<context>", "<example>")
# Longer answers with a comma are lists of objects.
LONGEST_PAIR_OF_LETTERS = 3


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """Percentage of correct answers, its standard error, and every answer."""
    return scored_texts(rows, "accuracy", lambda row: float(is_correct(task, row)))


def is_correct(task: str, row: dict) -> bool:
    """Whether the answer names the expected labels and no others; labels that the question names do not count."""
    if not isinstance(row.get("question"), str) or len(row["answers"]) != 1:
        raise InputError("needs its 'question' and exactly one answer; add them")
    answer, question = beginning(row["prediction"].lower()), row["question"].lower()
    task_labels = {label.lower() for label in labels(task)}
    said = {label for label in task_labels if label in answer and label not in question}
    expected = expected_labels(row["answers"][0].lower())
    return len(said) == len(expected) and all(label in said for label in expected)


def beginning(answer: str) -> str:
    """The answer up to where it begins something new."""
    for end in ENDS:
        answer = answer.split(end)[0]
    return answer


def expected_labels(target: str) -> list[str]:
    """The labels of an answer: one, or those of a list."""
    return target.split(",") if "," in target and len(target) > LONGEST_PAIR_OF_LETTERS else [target]
