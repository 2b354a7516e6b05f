"""Questions whose facts lead to one place, held out of every training; answers are judged by their last place."""

import re

import pytest

from contracts.held_out import is_held_out
from data_prep.sources.drills.sample import Admission
from eval.benchmarks.hops.stories import PLACES
from eval.benchmarks.stories.build import build
from eval.benchmarks.stories.score import last_place, score

LENGTH = 700


@pytest.fixture(scope="module", params=[1, 2, 3, 4])
def cell(request, context_of):
    context = context_of("stories", f"{request.param}hop", LENGTH, {"samples": 12})
    return request.param, context, build(context).rows


def test_the_facts_of_one_person_stand_in_the_text_in_order_and_end_in_the_answer(cell):
    hops, _, rows = cell
    for row in rows:
        assert len(row["facts"]) == hops
        assert len({fact.split()[0] for fact in row["facts"]}) == 1
        places = [row["input"].index(fact) for fact in row["facts"]]
        assert places == sorted(places)
        moves = [fact for fact in row["facts"] if fact.rstrip(".").split()[-1] in PLACES]
        assert moves[0].rstrip(".").split()[-1] == row["answers"][0]


def test_a_text_is_as_long_as_it_can_be(cell):
    _, _, rows = cell
    assert all(LENGTH - 120 < row["length"] <= LENGTH for row in rows)


def test_no_training_sample_may_hold_a_story_that_is_asked(cell):
    _, _, rows = cell
    stories = ["\n".join([*row["facts"], row["question"]]) for row in rows]
    assert all(is_held_out(story) and not Admission("train").admits(story) for story in stories)


def test_sample_by_sample_they_do_not_depend_on_how_many_are_asked(cell, context_of):
    hops, _, rows = cell
    assert build(context_of("stories", f"{hops}hop", LENGTH, {"samples": 3})).rows == rows[:3]


def test_the_form_of_the_answer_is_asked_for(context_of):
    chain, place = (
        build(context_of("stories", "2hop", LENGTH, {"samples": 1, "answer": form})).rows[0]["input"]
        for form in ("chain", "place")
    )
    assert "Answer with the sentences that lead to the place." in chain
    assert "Answer with the place alone." in place


@pytest.mark.parametrize(
    ("prediction", "place"),
    [
        (" kitchen", "kitchen"),
        (" lamp: Alice took the lamp. Alice went to the attic.", "attic"),
        (" Alice went to the attic. Alice went to the garden.\nQuestion: kitchen", "garden"),
        (" It went from the kitchen to the office.", "office"),
        (" nobody knows", None),
        ("", None),
    ],
)
def test_the_last_place_of_the_first_line_is_the_answer(prediction, place):
    assert last_place({"prediction": prediction, "answers": ["office"]}) == place


def test_right_answers_score_100_and_guessing_is_told(cell):
    _, _, rows = cell
    answered = [{**row, "id": str(number), "prediction": f" {row['answers'][0]}."} for number, row in enumerate(rows)]
    scored = score("1hop", answered, {})
    assert scored.score == 100.0
    named = [len(set(re.findall("|".join(PLACES), row["input"]))) for row in rows]
    assert scored.metrics["guessing"] == pytest.approx(sum(100 / count for count in named) / len(named))
    wrong = [{**row, "prediction": " nowhere"} for row in answered]
    assert score("1hop", wrong, {}).score == 0.0
