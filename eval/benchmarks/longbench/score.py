"""LongBench-E's scores: the best over the expected answers, their mean, and the means by length.

in : rows with "prediction", "answers", "all_classes" for trec, and the record's length in words: "words", or "length"
     in a predictions file that stands alone
out: score = mean over samples x 100 (the published script without --e); buckets = means by length x 100 (with --e)
invariant: an empty bucket is null, never a number.
"""

from dataclasses import replace

from contracts.errors import InputError
from eval.benchmarks.longbench.metrics import score_of
from eval.benchmarks.longbench.tasks import LongBenchTask, task_called
from eval.scoring.scored import Scored, mean
from eval.scoring.text_scores import scored_texts

# Upper limits in words, exclusive.
BUCKETS = {"0-4k": 4000, "4-8k": 8000, "8k+": float("inf")}


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """Score of a set, of its buckets, and of every sample."""
    longbench_task = task_called(task)
    scored = scored_texts(rows, longbench_task.metric, lambda row: sample_score(longbench_task, row))
    members = {name: [detail["score"] for detail in in_bucket(rows, scored.rows, name)] for name in BUCKETS}
    buckets = {name: mean(scores) for name, scores in members.items()}
    more = {
        "bucket_mean": mean([value for value in buckets.values() if value is not None]),
        "samples_in_bucket": {name: len(scores) for name, scores in members.items()},
    }
    details = [{**detail, "bucket": bucket_of(row)} for detail, row in zip(scored.rows, rows, strict=True)]
    return replace(scored, metrics={**scored.metrics, **more}, rows=details, headline={"buckets": buckets})


def sample_score(task: LongBenchTask, row: dict) -> float:
    """The best score over the expected answers, 0-1."""
    prediction, classes = row["prediction"], row.get("all_classes")
    if task.metric == "classification" and not is_list_of_texts(classes):
        raise InputError(f"{task.name} needs 'all_classes', a list of names; add it to every line")
    if task.first_line_only:
        prediction = prediction.lstrip("\n").split("\n")[0]
    return max((score_of(task.metric, prediction, answer, classes) for answer in row["answers"]), default=0.0)


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
