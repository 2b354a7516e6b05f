"""HELMET's tables: a category is the mean of its tasks, the score the mean of the seven categories, at every length.

in : score.json of the cells of one model and one method of inference
out: {"lengths": {length: {"tasks", "categories", "average", "missing", "labels"}}, "score": mean over complete lengths}
invariant: a length that lacks a task has no average; `labels` name the stand-ins behind any of its numbers.
"""

from eval.benchmarks.helmet.tasks import CATEGORIES, TASKS, tasks_of
from eval.scoring.scored import mean


def aggregate(scores: list[dict]) -> dict:
    """The numbers of all lengths."""
    lengths = {
        str(length): at_length([score for score in scores if score["length"] == length])
        for length in sorted({score["length"] for score in scores})
    }
    return {
        "lengths": lengths,
        "score": mean([entry["average"] for entry in lengths.values() if entry["average"] is not None]),
    }


def at_length(scores: list[dict]) -> dict:
    """Tasks, categories and their mean; a category is there when at least one of its tasks is."""
    tasks = {score["task"]: score["score"] for score in scores if score["score"] is not None}
    categories = {
        category: mean([tasks[task] for task in tasks_of(category) if task in tasks]) for category in CATEGORIES
    }
    missing = [task for task in TASKS if task not in tasks]
    labels = {name: label for score in scores for name, label in score.get("labels", {}).items()}
    return {
        "tasks": tasks,
        "categories": categories,
        "average": None if missing else mean(list(categories.values())),
        "missing": missing,
        "labels": labels,
    }
