"""The golden file holds what HELMET's own code scores on random outputs; its `made_by` says with which versions."""

import json
from pathlib import Path

import pytest

from contracts.errors import InputError
from eval.benchmarks.helmet import score_answers, score_cited, score_judged
from eval.benchmarks.helmet.score_cited import UNTRAINED, sentence_splitter

GOLDEN = json.loads((Path(__file__).parent / "golden" / "official_scores.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("task", sorted({row["task"] for row in GOLDEN["answers"]}))
def test_short_answers_score_as_the_official_code_scores_them(task):
    rows = [row for row in GOLDEN["answers"] if row["task"] == task]
    scored = score_answers.score(task, rows, {})
    assert scored.per_sample == pytest.approx([row["score"] for row in rows], abs=1e-12)
    assert 0 < scored.score < 100


def test_rankings_score_as_the_official_code_scores_them():
    scored = score_answers.score_ranking("msmarco", GOLDEN["rankings"], {})
    assert scored.per_sample == pytest.approx([row["score"] for row in GOLDEN["rankings"]], abs=1e-12)
    assert 0 < scored.score < 100


@pytest.mark.parametrize("task", ["asqa", "qampari"])
def test_citations_score_as_the_official_code_scores_them(task):
    if task == "asqa" and sentence_splitter()[0] != UNTRAINED:
        pytest.skip("nltk's English sentence parameters are installed; the golden file was made without them")
    rows = [row for row in GOLDEN["citations"] if row["task"] == task]
    found = score_cited.score(task, rows, {}).rows
    names = [name for name in found[0] if name != "id"]
    for name, official in zip(names, ("right", "recall", "precision"), strict=True):
        expected = [None if row[official] is None else row[official] / 100 for row in rows]
        given = [row[name] for row in found]
        assert [value is None for value in given] == [value is None for value in expected]
        assert [value for value in given if value is not None] == pytest.approx(
            [value for value in expected if value is not None], abs=1e-12
        )
        assert any(expected)


def test_what_the_prompt_ended_with_belongs_to_the_output():
    row = {"prediction": " Paris\nQuestion: who?", "answers": ["Paris"], "answer_prefix": "label:"}
    assert score_answers.score("trec_fine", [row], {}).score == 100
    assert score_answers.score("trec_fine", [{**row, "answer_prefix": ""}], {}).score == 100
    assert score_answers.score("trec_fine", [{**row, "prediction": "It is Paris"}], {}).score == 0


def test_a_prediction_without_what_its_metric_needs_is_refused_in_one_line():
    with pytest.raises(InputError, match="relevance"):
        score_answers.score_ranking("msmarco", [{"prediction": "1 > 2", "answers": []}], {})


def test_judged_numbers_name_their_judge():
    rows = [{"prediction": "the north pole", "answers": ["North Pole"], "question": "Where to?"}]
    scored = score_judged.score("narrativeqa", rows, {})
    assert scored.score == 100
    assert scored.metrics["judge"] == scored.headline["labels"]["judge"] == "stand-in (token F1)"
    cited = score_cited.score("qampari", [row for row in GOLDEN["citations"] if row["task"] == "qampari"], {})
    assert cited.headline["labels"]["nli"].startswith("stand-in")
