"""bAbI's files as questions with their facts."""

import pytest

from contracts.errors import InputError
from eval.benchmarks.babilong.build import read_task
from tests.real_records import REAL_RECORDS

REAL = REAL_RECORDS / "babi/tasks_1-20_v1-2/en"
STORY = """1 Mary got the milk.
2 John moved to the bedroom.
3 Where is Mary? \tgarden\t1 2
4 Mary left.
5 What is Mary carrying? \tapple,milk\t4 1
1 Daniel went away.
2 Is Daniel here?\tno\t1
"""


def test_every_question_has_the_facts_before_it_and_no_earlier_question(tmp_path):
    (tmp_path / "qa8_lists-sets_test.txt").write_text(STORY)
    (tmp_path / "qa8_lists-sets_train.txt").write_text("of no account")
    one, two, three = read_task(tmp_path, "qa8")
    assert one.facts == ["Mary got the milk.", "John moved to the bedroom."]
    assert two.facts == [*one.facts, "Mary left."]
    assert (two.text, two.answer, two.supporting) == ("What is Mary carrying? ", "apple,milk", [2, 0])
    assert (three.facts, three.answer, three.supporting) == (["Daniel went away."], "no", [0])


@pytest.mark.parametrize(
    "broken", ["Mary got the milk.\n", "1 Where?\tno\t7\n", "1 Where?\tno\n", "1 A fact.\n", "", "x y\n", "1\n"]
)
def test_a_broken_file_is_refused(tmp_path, broken):
    (tmp_path / "qa1_x_test.txt").write_text(broken)
    with pytest.raises(InputError, match=r"qa1_x_test\.txt"):
        read_task(tmp_path, "qa1")


def test_a_folder_without_the_task_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"0 files qa1_\*_test\.txt"):
        read_task(tmp_path, "qa1")


@pytest.mark.parametrize("number", range(1, 11))
def test_published_files_hold_a_thousand_questions_whose_supporting_facts_come_before_them(number):
    if not REAL.is_dir():
        pytest.skip(f"{REAL} is not here")
    questions = read_task(REAL, f"qa{number}")
    assert len(questions) == 1000
    assert all(
        (question.facts and question.supporting) or question.answer in ("no", "none", "nothing", "maybe")
        for question in questions
    )
    if number == 1:
        assert all(question.answer in question.facts[question.supporting[-1]] for question in questions)
