"""LongBench-E's scores: the best over the expected answers, their mean, and the means by length.

in : rows with "prediction", "answers", "all_classes" for trec, and the record's length in words: "words", or "length"
     in a predictions file that stands alone
out: score = mean over samples x 100 (the published script without --e); buckets = means by length x 100 (with --e)
invariants: an empty bucket is null, never a number. The quirks that published numbers contain are kept: rouge counts 0
for what the `rouge` package cannot compute, a class that follows a removed one stays, code similarity is a whole
percentage. Code similarity is fuzzywuzzy's, which differs with python-Levenshtein installed and without it; published
numbers exist of both kinds, so the settings choose, and every table names the choice.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from difflib import SequenceMatcher
from threading import Thread

from rapidfuzz import fuzz
from rouge import Rouge

from contracts.errors import InputError
from eval.benchmarks.longbench import CodeSimilarity, LongBenchScoring
from eval.benchmarks.longbench.tasks import LongBenchTask, task_called
from eval.scoring.scored import Scored, mean, scored_texts
from eval.scoring.squad_metrics import token_f1

# Upper limits in words, exclusive.
BUCKETS = {"0-4k": 4000, "4-8k": 8000, "8k+": float("inf")}


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """Score of a set, of its buckets, and of every sample."""
    longbench_task = task_called(task)
    similarity = LongBenchScoring.model_validate(facts.get("scoring", {})).code_similarity
    scored = scored_texts(rows, longbench_task.metric, lambda row: sample_score(longbench_task, row, similarity))
    members = {name: [detail["score"] for detail in in_bucket(rows, scored.rows, name)] for name in BUCKETS}
    buckets = {name: mean(scores) for name, scores in members.items()}
    more = {
        "bucket_mean": mean([value for value in buckets.values() if value is not None]),
        "samples_in_bucket": {name: len(scores) for name, scores in members.items()},
    }
    details = [{**detail, "bucket": bucket_of(row)} for detail, row in zip(scored.rows, rows, strict=True)]
    headline: dict = {"buckets": buckets}
    if longbench_task.metric == "code_similarity":
        headline["labels"] = {"code_similarity": SIMILARITY_NAMES[similarity]}
    return replace(scored, metrics={**scored.metrics, **more}, rows=details, headline=headline)


def sample_score(task: LongBenchTask, row: dict, similarity: CodeSimilarity) -> float:
    """The best score over the expected answers, 0-1."""
    prediction, classes = row["prediction"], row.get("all_classes")
    if task.metric == "classification" and not is_list_of_texts(classes):
        raise InputError(f"{task.name} needs 'all_classes', a list of names; add it to every line")
    if task.first_line_only:
        prediction = prediction.lstrip("\n").split("\n")[0]
    return max(
        (score_of(task.metric, prediction, answer, classes, similarity) for answer in row["answers"]), default=0.0
    )


def is_list_of_texts(value: object) -> bool:
    """Whether a value is a list of texts, at least one."""
    return isinstance(value, list) and value != [] and all(isinstance(text, str) for text in value)


def bucket_of(row: dict) -> str | None:
    """The bucket of a row's length in words; None where the row does not tell, InputError where that is no number."""
    words = row.get("words", row.get("length"))
    if words is None:
        return None
    if not isinstance(words, int | float) or not 0 <= words < float("inf"):
        raise InputError(f"prediction {row.get('id')}: 'length' must be the record's number of words, or be left out")
    return next(name for name, limit in BUCKETS.items() if words < limit)


def in_bucket(rows: list[dict], details: list[dict], name: str) -> list[dict]:
    """The details of the rows whose length falls into a bucket."""
    return [detail for row, detail in zip(rows, details, strict=True) if bucket_of(row) == name]


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


def code_similarity(prediction: str, answer: str, similarity: CodeSimilarity = "levenshtein") -> float:
    """Similarity of the answer and the first line that holds no comment or fence, in whole percent."""
    lines = prediction.lstrip("\n").split("\n")
    code = next((line for line in lines if not any(mark in line for mark in COMMENT_MARKS)), "")
    return round(SIMILARITIES[similarity](code, answer)) / 100


def indel_similarity(text: str, other: str) -> float:
    """2 x longest common subsequence over both lengths, which python-Levenshtein calls its ratio (percent)."""
    return fuzz.ratio(text, other)


def block_similarity(text: str, other: str) -> float:
    """2 x matching blocks over both lengths: difflib's ratio, where the order of the two matters (percent)."""
    return 100 * SequenceMatcher(None, text, other).ratio()


SIMILARITIES = {"levenshtein": indel_similarity, "difflib": block_similarity}
# How a table names what compared the code.
SIMILARITY_NAMES = {
    "levenshtein": "fuzzywuzzy with python-Levenshtein",
    "difflib": "fuzzywuzzy without python-Levenshtein",
}


def score_of(
    metric: str, prediction: str, answer: str, classes: Sequence[str], similarity: CodeSimilarity = "levenshtein"
) -> float:
    """The score of one prediction by the metric called `metric`."""
    if metric == "classification":
        return classification(prediction, answer, classes)
    if metric == "code_similarity":
        return code_similarity(prediction, answer, similarity)
    return METRICS[metric](prediction, answer)


METRICS = {
    "f1": token_f1,
    "rouge_l": rouge_l,
    "count": share_of_numbers,
    "retrieval": retrieval,
}
