"""HELMET's categories and their mean."""

import json

import pytest

from eval.benchmarks.helmet import score_judged
from eval.benchmarks.helmet.aggregate import aggregate
from eval.benchmarks.helmet.score_judged import ModelJudge, verdict
from eval.benchmarks.helmet.tasks import TASKS, tasks_of


def scores(values: dict[str, float], length: int = 8192) -> list[dict]:
    return [{"task": task, "length": length, "score": value} for task, value in values.items()]


def test_a_category_is_the_mean_of_its_tasks_and_the_average_that_of_the_seven():
    # The row "+ CDT" of the paper's Table 11, every task as good as its category.
    published = {"Recall": 97.2, "RAG": 61.8, "ICL": 86.6, "Re-rank": 18.5, "LongQA": 46.7, "Summ": 27.9, "Cite": 9.4}
    found = aggregate(scores({task: value for category, value in published.items() for task in tasks_of(category)}))
    assert found["lengths"]["8192"]["categories"] == pytest.approx(published)
    assert round(found["score"], 1) == 49.7


def test_a_length_that_lacks_a_task_has_categories_but_no_average():
    found = aggregate(scores({task: 50.0 for task in TASKS if task != "nlu"}) + scores({"nq": 20.0}, 4096))
    assert found["lengths"]["8192"]["missing"] == ["nlu"]
    assert found["lengths"]["8192"]["categories"]["ICL"] == 50.0
    assert found["lengths"]["4096"]["categories"]["RAG"] == 20.0
    assert found["lengths"]["4096"]["categories"]["ICL"] is None
    assert found["score"] is None


def test_stand_ins_are_named_beside_the_numbers():
    labelled = [{"task": "narrativeqa", "length": 1, "score": 3.0, "labels": {"judge": "stand-in (token F1)"}}]
    assert aggregate(labelled)["lengths"]["1"]["labels"] == {"judge": "stand-in (token F1)"}


def test_a_model_judge_is_asked_in_the_published_words_and_read_at_the_end():
    asked = []

    def write(prompt: str, most: int) -> str:
        asked.append(prompt)
        kind = next(key for key in ("recall", "precision", "correctness", "fluency") if f'"{key}"' in prompt[-900:])
        return 'Reasons {not json} {"fluency": 0} ' + json.dumps(
            {"recall": 1, "precision": 3, "sentence_count": 4, "correctness": 2, "fluency": 1}
            if kind != "fluency"
            else {"fluency": 1}
        )

    judge = ModelJudge("model x", write)
    assert judge.answer_quality("Who?", ["He"], "him") == pytest.approx(2 / 3)
    recall, precision = 1 / 2, 3 / 4
    assert judge.summary_f1("book", "ref", ["p", "q"], "text") == pytest.approx(
        2 * recall * precision / (recall + precision)
    )
    assert "1. p\n2. q" in asked[2]
    assert all("{{" not in prompt for prompt in asked)
    assert set(score_judged.wording()) == {"answer", "book", "lawsuit"}


def test_a_verdict_that_cannot_be_read_is_none():
    assert verdict("no json here", "fluency") is None
    assert verdict('{"fluency": "high"}', "fluency") is None
    assert verdict('{"fluency": 1} {"other": 2}', "fluency") == {"fluency": 1}
    assert ModelJudge("m", lambda prompt, most: "no").answer_quality("q", ["a"], "b") is None
