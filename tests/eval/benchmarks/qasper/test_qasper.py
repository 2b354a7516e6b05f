"""Qasper: the official evaluator's references and its Answer F1."""

import json
from pathlib import Path

import pytest

from contracts.errors import InputError
from contracts.published.qasper import Reference, paper_text, reference_of
from eval.benchmarks.qasper.build import build, read_questions
from eval.benchmarks.qasper.score import score
from tests.real_records import REAL_RECORDS

SMALL = Path(__file__).parents[4] / "resources" / "benchmarks" / "qasper.json"
REAL = REAL_RECORDS / "qasper/qasper_sample_small.json"
# Made once by the official evaluator from the small file and predictions near and far from its answers.
GOLDEN = json.loads(Path(__file__).with_name("golden_scores.json").read_text(encoding="utf-8"))


def test_references_are_those_of_the_official_evaluator():
    found = {
        question.name: [{"answer": reference.text, "type": reference.kind} for reference in question.references]
        for question in read_questions(SMALL)
    }
    expected = {
        name: [{key: reference[key] for key in ("answer", "type")} for reference in references]
        for name, references in GOLDEN["references"].items()
    }
    assert found == expected
    kinds = {reference["type"] for references in found.values() for reference in references}
    assert kinds == {"extractive", "abstractive", "boolean", "none"}


@pytest.mark.parametrize("run", range(len(GOLDEN["runs"])))
def test_answer_f1_and_its_means_by_type_are_the_official_evaluators(run):
    known = GOLDEN["runs"][run]
    rows = [
        {
            "prediction": known["predictions"][name],
            "answers": [reference["answer"] for reference in references],
            "answer_types": [reference["type"] for reference in references],
        }
        for name, references in GOLDEN["references"].items()
    ]
    scored = score("qasper", rows, {})
    assert scored.score == pytest.approx(100 * known["answer_f1"])
    # The evaluator says 0 of a type without questions; here it is null.
    by_type = {kind: value or 0 for kind, value in scored.metrics["answer_f1_by_type"].items()}
    assert by_type == {kind: pytest.approx(100 * value) for kind, value in known["by_type"].items()}


def test_predictions_without_types_are_scored_too():
    scored = score("qasper", [{"prediction": "a red boat", "answers": ["the boat", "a plane"]}], {})
    assert scored.score == pytest.approx(200 / 3)
    assert set(scored.metrics["answer_f1_by_type"].values()) == {None}


def test_a_prompt_holds_the_whole_paper_and_ends_at_the_answers_first_line(context_of):
    context = context_of("qasper", "qasper", 4000, data={"qasper": SMALL})
    rows = build(context).rows
    assert len(rows) == 16
    for row, question in zip(rows, read_questions(SMALL), strict=True):
        start, end = row["context"]
        assert row["input"][start:end] == question.paper
        assert row["input"][end:].endswith(f"Question: {question.text}\n\nAnswer:")
        assert row["stop"] == ["\n"]
        assert row["answers"] == [reference.text for reference in question.references]
    assert (
        "stop"
        not in build(context_of("qasper", "qasper", 4000, {"stop_at_line_end": False}, data={"qasper": SMALL})).rows[0]
    )


def test_a_papers_text_is_its_title_abstract_and_sections():
    sections = [{"section_name": None, "paragraphs": ["one", ""]}, {"section_name": "Data", "paragraphs": ["two"]}]
    assert paper_text({"title": "T", "abstract": "A", "full_text": sections}) == "T\nAbstract\nA\none\nData\ntwo"


def test_an_annotation_without_an_answer_and_a_foreign_file_are_told(tmp_path):
    empty = {"unanswerable": False, "extractive_spans": [], "free_form_answer": "", "yes_no": None}
    with pytest.raises(InputError, match="annotation 7 holds no answer"):
        reference_of(SMALL, {"answer": empty, "annotation_id": 7})
    assert reference_of(SMALL, {"answer": empty | {"yes_no": False}}) == Reference("No", "boolean")
    (tmp_path / "qasper.json").write_text('{"paper": {"title": "T"}}')
    with pytest.raises(InputError, match="not Qasper's published format"):
        read_questions(tmp_path / "qasper.json")


def test_the_official_fixture_is_read():
    if not REAL.is_file():
        pytest.skip(f"no real record at {REAL}")
    questions = read_questions(REAL)
    assert [[reference.text for reference in question.references] for question in questions] == [
        ["a vocabulary", "using seed lexicon"],
        ["Yes"],
        ["Unanswerable"],
        ["Conclusion paragraph"],
    ]
    assert questions[0].paper.split("\n")[1:4] == ["Abstract", "This is the abstract of the paper", "Introduction"]
