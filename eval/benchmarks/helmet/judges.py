"""Judges of free answers and summaries: the interface, and the offline stand-in that says so in every table.

The published numbers are those of gpt-4o-2024-05-13 with the wording in prompts/judge.json; `model_judge` puts the same
questions to a local model. A judge gives None where its verdict cannot be read; such samples count for nothing.
"""

from typing import Protocol

from eval.benchmarks.helmet.text_metrics import token_f1


class Judge(Protocol):
    """`name` goes into every table beside the numbers that it gave (0 to 1)."""

    name: str

    def answer_quality(self, question: str, answers: list[str], given: str) -> float | None:
        """Fluency (0, 1) times correctness (0 to 3), over 3."""

    def summary_f1(self, kind: str, reference: str, key_points: list[str] | None, given: str) -> float | None:
        """Fluency (0, 1) times the F1 of key points found and sentences supported; `kind` is book or lawsuit."""


class TokenF1Judge:
    """The stand-in: compares bags of words, judges nothing."""

    name = "stand-in (token F1)"

    def answer_quality(self, question: str, answers: list[str], given: str) -> float | None:
        """The best token F1 against the answers."""
        return max(token_f1(given, answer) for answer in answers)

    def summary_f1(self, kind: str, reference: str, key_points: list[str] | None, given: str) -> float | None:
        """Token F1 against the experts' summary."""
        return token_f1(given, reference)


def load_judge(folder: str | None) -> Judge:
    """The model in `folder` as a judge, or the stand-in where there is none."""
    if folder is None:
        return TokenF1Judge()
    # Transformers takes seconds to import, and the stand-in needs none of it.
    from eval.benchmarks.helmet.model_judge import load_model_judge

    return load_model_judge(folder)
