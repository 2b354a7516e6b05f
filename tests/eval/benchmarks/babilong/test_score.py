"""BABILong's accuracy is the official one, on predictions that the official code has judged."""

import json
from pathlib import Path

import pytest

from contracts.errors import InputError
from eval.benchmarks.babilong.score import score

# Made once by the official metrics.py: 600 adversarial predictions and 200 real ones (see the file's "how").
GOLDEN = json.loads(Path(__file__).with_name("golden_scores.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("task", [f"qa{number}" for number in range(1, 11)])
def test_every_judgement_is_the_official_one(task):
    cases = [case for case in GOLDEN["cases"] if case["task"] == task]
    assert {case["correct"] for case in cases} == {True, False}
    scored = score(task, cases, {})
    assert [bool(value) for value in scored.per_sample] == [case["correct"] for case in cases]
    assert scored.score == pytest.approx(100 * sum(case["correct"] for case in cases) / len(cases))


def test_only_the_first_sentence_counts_and_labels_of_the_question_do_not():
    def correct(prediction, answer, question="Where was the milk before the kitchen?"):
        return score("qa3", [{"prediction": prediction, "answers": [answer], "question": question}], {}).per_sample == [
            1
        ]

    assert correct("Before the kitchen the milk was in the Garden. Or the office.", "garden")
    assert not correct("It was in the garden or the office.", "garden")
    assert not correct("", "garden")


def test_a_prediction_without_its_question_is_refused():
    with pytest.raises(InputError, match="question"):
        score("qa1", [{"prediction": "garden", "answers": ["garden"]}], {})
