"""NQ with distractors: one passage answers, the others cannot, and as many of them as the length holds."""

import json
from pathlib import Path

import pytest

from contracts.errors import InputError
from contracts.published.nq import Passage, spells_any
from eval.benchmarks.nq.build import build, read_questions
from eval.benchmarks.nq.score import score
from eval.scoring.squad_metrics import normalized
from tests.real_records import REAL_RECORDS

SMALL = Path(__file__).parents[4] / "resources" / "benchmarks" / "nq.jsonl"
REAL = REAL_RECORDS / "nq"
# Made once by Lost in the Middle's own metric on predictions near and far from the small file's answers.
GOLDEN = json.loads(Path(__file__).with_name("golden_scores.json").read_text(encoding="utf-8"))["rows"]


@pytest.fixture
def rows_of(context_of):
    def make(length: int, options: dict | None = None, file: Path = SMALL) -> list[dict]:
        return build(context_of("nq", "nq", length, options, data={"nq": file})).rows

    return make


def documents(row: dict) -> list[str]:
    start, end = row["context"]
    return row["input"][start:end].split("\n")


def test_substring_match_is_lost_in_the_middles():
    scored = score("nq", GOLDEN, {})
    assert [row["substring_exact_match"] for row in scored.rows] == [100 * row["best_subspan_em"] for row in GOLDEN]
    assert {0, 1} == {row["best_subspan_em"] for row in GOLDEN}


def test_exact_match_is_equality_of_normalised_words_in_the_first_line():
    for prediction, exact, within in (
        ("The Oslo.", 1, 1),
        (" oslo \nor Riga", 1, 1),
        ("in Oslo", 0, 1),
        ("\nOslo", 0, 0),
        ("", 0, 0),
    ):
        scored = score("nq", [{"prediction": prediction, "answers": ["Quito", "Oslo"]}], {})
        assert scored.headline == {"exact_match": 100.0 * exact, "substring_exact_match": 100.0 * within}
        assert scored.score == 100.0 * exact


@pytest.mark.parametrize("length", [700, 1500])
def test_the_answer_stands_in_the_gold_passage_alone_and_one_more_passage_would_not_fit(rows_of, length):
    rows = rows_of(length)
    assert len(rows) == 12
    longer = rows_of(2 * length)
    for row, more in zip(rows, longer, strict=True):
        with_answer = [
            place for place, text in enumerate(documents(row)) if spells_any(Passage("", text), tuple(row["answers"]))
        ]
        assert with_answer == [row["gold_place"]]
        assert length / 2 < row["length"] <= length
        assert more["documents"] > row["documents"] == len(documents(row))


def test_number_and_place_of_the_passages_are_as_asked(rows_of):
    for depth, place in ((0.0, 0), (0.5, 2), (1.0, 4)):
        for row in rows_of(2500, {"distractors": 4, "gold_depth": depth, "samples": 3}):
            assert (row["documents"], row["gold_place"]) == (5, place)
            assert documents(row)[place].startswith(f"Document [{place + 1}](Title: Chapter 0) ")
    assert len({row["gold_place"] for row in rows_of(2500, {"distractors": 5})}) > 1
    assert rows_of(1000, {"distractors": 0})[0]["documents"] == 1


def test_a_length_that_holds_too_little_is_told(rows_of):
    with pytest.raises(InputError, match=r"lower nq\.distractors"):
        rows_of(300, {"distractors": 4})
    with pytest.raises(InputError, match="choose a longer length"):
        rows_of(150)


def test_dprs_format_gives_hard_distractors_first_and_none_with_an_answer(tmp_path):
    def passages(*texts: str) -> list[dict]:
        return [{"title": "T", "text": text, "passage_id": "1"} for text in texts]

    record = {
        "dataset": "nq",
        "question": "where",
        "answers": ["Oslo"],
        "positive_ctxs": passages("In Oslo.", "Also Oslo."),
        "negative_ctxs": passages("easy one", "easy two"),
        "hard_negative_ctxs": passages("hard one", "of the oslo!", "hard two"),
    }
    (tmp_path / "dpr.json").write_text(json.dumps([record, record | {"positive_ctxs": []}]))
    [question] = read_questions(tmp_path / "dpr.json")
    assert question.gold.text == "In Oslo."
    assert [passage.text for passage in question.distractors] == ["hard one", "hard two", "easy one", "easy two"]


@pytest.mark.parametrize("name", ["nq-open-oracle.jsonl.gz", "dpr_nq_dev_sample.json"])
def test_real_questions_are_asked_with_real_distractors(rows_of, name):
    if not (REAL / name).is_file():
        pytest.skip(f"no real records at {REAL / name}")
    rows = rows_of(3000, {"samples": 3}, REAL / name)
    assert len(rows) == 3
    for row in rows:
        assert row["length"] <= 3000
        assert row["documents"] > 3
        gold = documents(row)[row["gold_place"]] if "gold_place" in row else ""
        assert any(normalized(answer) in normalized(gold) for answer in row["answers"])
