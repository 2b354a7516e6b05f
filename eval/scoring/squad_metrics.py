"""Answers compared as the SQuAD evaluation compares them: normalised words.

in : a prediction and one expected answer, or several
out: numbers 0-1
"""

from collections import Counter
from collections.abc import Callable, Iterable

from contracts.answer_words import normalized


def token_f1(prediction: str, answer: str) -> float:
    """Harmonic mean of precision and recall over the bags of normalised words; 0 where they share none."""
    predicted, expected = normalized(prediction).split(), normalized(answer).split()
    shared = sum((Counter(predicted) & Counter(expected)).values())
    if not shared:
        return 0.0
    # Kept as two ratios: the published scorers round that way, and equal scores are to be equal bits.
    precision, recall = shared / len(predicted), shared / len(expected)
    return 2 * precision * recall / (precision + recall)


def exact_match(prediction: str, answer: str) -> float:
    """1 where both are the same words."""
    return float(normalized(prediction) == normalized(answer))


def contains_answer(prediction: str, answer: str) -> float:
    """1 where the normalised answer is a substring of the normalised prediction."""
    return float(normalized(answer) in normalized(prediction))


def best(metric: Callable[[str, str], float], prediction: str, answers: Iterable[str]) -> float:
    """The best of `metric` over the expected answers; 0 where there are none."""
    return max((metric(prediction, answer) for answer in answers), default=0.0)
