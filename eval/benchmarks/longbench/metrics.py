"""LongBench's metrics, equal to the published scorer's.

in : one prediction, one expected answer; for classification also the names of all classes
out: 0-1
invariant: the quirks that published numbers contain are kept: rouge counts 0 for what the `rouge` package cannot
compute, a class that follows a removed one stays, code similarity is a whole percentage.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread

from rapidfuzz import fuzz
from rouge import Rouge

from contracts.errors import InputError
from eval.scoring.squad_metrics import token_f1

NUMBER = re.compile(r"\d+")
PARAGRAPH = re.compile(r"Paragraph (\d+)")
COMMENT_MARKS = ("`", "#", "//")


class RougeL(Thread):
    """ROUGE-L (f) of one pair of texts, computed at the bottom of a new stack.

    `rouge` walks recursively through a sentence, a word at a time, and fails beyond Python's depth: 0, as published.
    Who calls must not decide how deep that is; three frames below it, as in the published script, it is 986 words.
    """

    def __init__(self, prediction: str, answer: str) -> None:
        super().__init__()
        self.texts = (prediction, answer)
        self.f = 0.0

    def run(self) -> None:
        """Leaves `f` at 0 for a text without words and beyond the depth."""
        with suppress(ValueError, RecursionError):
            self.f = Rouge(metrics=["rouge-l"]).get_scores(*self.texts)[0]["rouge-l"]["f"]


def rouge_l(prediction: str, answer: str) -> float:
    """ROUGE-L (f) of the `rouge` package; 0 where it cannot compute one."""
    thread = RougeL(prediction, answer)
    thread.start()
    thread.join()
    return thread.f


def classification(prediction: str, answer: str, classes: Sequence[str]) -> float:
    """1 / (classes named in the prediction) where the right one is among them.

    Names that are part of the right one do not count. The published loop removes them from the list it walks, and so
    skips the name after each: kept.
    """
    named = [name for name in classes if name in prediction]
    position = 0
    while position < len(named):
        if named[position] != answer and named[position] in answer:
            named.remove(named[position])
        position += 1
    return 1.0 / len(named) if answer in named else 0.0


def share_of_numbers(prediction: str, number: str) -> float:
    """Share of the numbers in the prediction that are `number`; 0 where there are none."""
    numbers = NUMBER.findall(prediction)
    return numbers.count(number) / len(numbers) if numbers else 0.0


def retrieval(prediction: str, answer: str) -> float:
    """Share of the numbers in the prediction that are the paragraph of the answer, as in 'Paragraph 7'."""
    paragraph = PARAGRAPH.search(answer)
    if paragraph is None:
        raise InputError(f"the answer {answer!r} names no paragraph; passage_retrieval_en expects 'Paragraph 7'")
    return share_of_numbers(prediction, paragraph.group(1))


def code_similarity(prediction: str, answer: str) -> float:
    """Edit similarity of the answer and the first line that holds no comment or fence, in whole percent.

    rapidfuzz computes what fuzzywuzzy does with python-Levenshtein installed, as published; not what it does without.
    """
    lines = prediction.lstrip("\n").split("\n")
    code = next((line for line in lines if not any(mark in line for mark in COMMENT_MARKS)), "")
    return round(fuzz.ratio(code, answer)) / 100


def score_of(metric: str, prediction: str, answer: str, classes: Sequence[str]) -> float:
    """The score of one prediction by the metric called `metric`."""
    if metric == "classification":
        return classification(prediction, answer, classes)
    return METRICS[metric](prediction, answer)


METRICS = {
    "f1": token_f1,
    "rouge_l": rouge_l,
    "count": share_of_numbers,
    "retrieval": retrieval,
    "code_similarity": code_similarity,
}
