"""QuALITY: published formats, plain text from HTML, and the first letter that stands alone."""

import gzip
import json
from pathlib import Path

import pytest

from contracts.errors import InputError
from contracts.published.quality import LETTERS, plain_text
from eval.benchmarks.quality.build import build, read_questions
from eval.benchmarks.quality.score import score
from tests.real_records import REAL_RECORDS

SMALL = Path(__file__).parents[4] / "resources" / "benchmarks" / "quality.jsonl"


def published(folder: Path, **changes) -> Path:
    """The first small record with changes in its first question, as a file of its own."""
    record = json.loads(SMALL.read_text(encoding="utf-8").split("\n")[0])
    record["questions"][0] |= changes
    (folder / "questions.jsonl").write_text(json.dumps(record))
    return folder / "questions.jsonl"


def test_a_prompt_holds_story_question_and_lettered_options_in_the_published_wording(context_of):
    context = context_of("quality", "quality", 4000, data={"quality": SMALL})
    questions, rows = read_questions(SMALL), build(context).rows
    assert len(rows) == len(questions) == 8
    for row, question in zip(rows, questions, strict=True):
        start, end = row["context"]
        assert row["input"][:start].endswith("either A, B, C, or D).\n\nStory:\n")
        assert row["input"][start:end] == question.story
        options = "".join(f" ({letter}) {option}\n" for letter, option in zip(LETTERS, question.options, strict=True))
        assert row["input"][end:] == f"\n\nQuestion and Possible Answers:\n{question.text}\n\n{options}\nAnswer:\n"
        assert row["answers"] == [question.answer]
        assert question.options[LETTERS.index(question.answer)] in question.story


def test_a_long_story_loses_its_middle_and_nothing_of_the_question(context_of):
    for row in build(context_of("quality", "quality", 400, data={"quality": SMALL})).rows:
        assert row["length"] <= 400
        assert row["input"].endswith("\n\nAnswer:\n")
        assert row["question"] in row["input"]


def test_the_flat_format_holds_the_same_questions(tmp_path):
    record = json.loads(SMALL.read_text(encoding="utf-8").split("\n")[0])
    flat = {"unique_id": "small_0", "article": record["article"]}
    for number, question in enumerate(record["questions"], start=1):
        flat |= {f"question{number}": question["question"], f"question{number}_gold_label": question["gold_label"]}
        flat |= {f"question{number}option{n}": text for n, text in enumerate(question["options"], start=1)}
    (tmp_path / "flat.jsonl").write_text(json.dumps(flat))
    found = [(q.story, q.text, q.options, q.answer) for q in read_questions(tmp_path / "flat.jsonl")]
    assert found == [(q.story, q.text, q.options, q.answer) for q in read_questions(SMALL)[:2]]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"gold_label": None}, "without a gold label from 1 to 4"),
        ({"gold_label": 5}, "without a gold label from 1 to 4"),
        ({"options": ["a", "b", "c"]}, "without 4 options"),
        ({"question": None}, "without text"),
    ],
)
def test_a_question_that_cannot_be_scored_is_refused(tmp_path, changes, complaint):
    with pytest.raises(InputError, match=complaint):
        read_questions(published(tmp_path, **changes))


def test_html_is_read_as_a_browser_shows_it_and_plain_text_is_not_touched():
    page = [
        "<!DOCTYPE html>\n<html><head><title>Not this</title><style>p {}</style></head>\n",
        "<body><h1>\n The\n Title</h1><p>One &amp; two<br/>three.</p><hr class='chap'/><p>Four &lt; five</p></body>",
    ]
    assert plain_text(page) == "The Title\n\nOne & two three.\n\nFour < five"
    text = "  if a < b and b > c:\n\n\tkeep   this"
    assert plain_text(text) == text


@pytest.mark.parametrize(
    ("prediction", "right"),
    [
        ("B", 1),
        (" (B) because", 1),
        ("The answer is B.", 1),
        ("\nB\nC", 1),
        ("C, not B", 0),
        ("Boat", 0),
        ("b", 0),
        ("", 0),
        ("\n", 0),
        ("E", 0),
    ],
)
def test_the_first_letter_that_stands_alone_is_the_answer(prediction, right):
    scored = score("quality", [{"prediction": prediction, "answers": ["B"]}], {})
    assert scored.score == 100 * right
    assert score("quality", [{"prediction": prediction, "answers": ["(B) the boat"]}], {}).score == 100 * right


def test_hard_questions_and_silence_are_told_apart():
    rows = [
        {"prediction": text, "answers": ["A"], "hard": hard} for text, hard in (("A", 0), ("", 1), ("A", 1), ("B", 0))
    ]
    metrics = score("quality", rows, {}).metrics
    assert (metrics["accuracy"], metrics["accuracy_hard"], metrics["without_letter"]) == (50.0, 50.0, 25.0)
    with pytest.raises(InputError, match="name no letter"):
        score("quality", [{"prediction": "A", "answers": ["yes"]}], {})


def test_the_real_example_of_the_repository_is_read(context_of):
    file = REAL_RECORDS / "quality" / "quality_example.jsonl"
    if not file.is_file():
        pytest.skip(f"no real record at {file}")
    questions = read_questions(file)
    assert [question.answer for question in questions[:5]] == ["B", "C", "D", "A", "D"]
    assert questions[0].story.startswith("THE GIRL IN HIS MIND\n\nBy ROBERT F. YOUNG")
    assert "<" not in questions[0].story
    rows = build(context_of("quality", "quality", 3000, {"samples": 2}, data={"quality": file})).rows
    assert max(row["length"] for row in rows) <= 3000


def test_real_answers_score_by_their_letters():
    file = REAL_RECORDS / "leval" / "quality.first10.jsonl.gz"
    if not file.is_file():
        pytest.skip(f"no real record at {file}")
    records = [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode().split("\n") if line]
    answers = [answer for record in records for answer in record["outputs"]]
    assert len(answers) > 50
    rows = [{"prediction": f"The answer is: {answer}", "answers": [answer]} for answer in answers]
    assert score("quality", rows, {}).score == 100
