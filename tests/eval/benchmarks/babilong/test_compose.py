"""A BABILong context is the facts in their order among whole sentences of the books, as long as the length allows."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import InputError
from contracts.tokenizer import load_tokenizer
from eval.benchmarks.babilong.build import among, build, read_task
from eval.benchmarks.babilong.prompts import published, question_prompt
from eval.building.book_sentences import sentences_of
from tests.real_records import REAL_RECORDS


def long_text(row: dict) -> str:
    return row["input"][slice(*row["context"])]


@settings(max_examples=15)
@given(length=st.integers(1300, 2500), seed=st.integers(0, 10_000))
def test_prompt_and_answer_fit_and_hardly_a_token_is_left_over(babilong_context, length, seed):
    for row in build(babilong_context("qa1", length, seed=seed, samples=2)).rows:
        assert row["length"] == len(row["input_ids"]) + 20 <= length
        # A cut in the middle of a word may join tokens: no more than a few are ever left.
        assert row["length"] > length - 12


def test_the_facts_are_all_there_in_their_order_and_the_rest_is_the_books(babilong_context, babi_folder, books_folder):
    books = " ".join(path.read_text(encoding="utf-8") for path in (books_folder / "test").iterdir())
    squeezed = " ".join(books.split())
    for row in build(babilong_context("qa1", 2000, samples=10)).rows:
        question = read_task(babi_folder, "qa1")[row["number"]]
        assert row["answers"] == [question.answer]
        rest, place = " ".join(long_text(row).split()), 0
        for fact in question.facts:
            place = rest.index(fact, place)
            rest = rest[:place] + "\0" + rest[place + len(fact) :]
        pieces = [piece.strip() for piece in rest.split("\0") if piece.strip()]
        assert pieces
        for piece in pieces:
            for sentence in sentences_of(piece):
                assert sentence in squeezed


def test_facts_and_sentences_keep_their_orders():
    assert among(["a", "b", "c"], ["1", "2", "3"], [0.0, 0.3, 0.999]) == ["a", "1", "b", "2", "3", "c"]
    assert among(["a", "b"], [], [0.2, 0.9]) == ["a", "b"]
    assert among(["a", "b"], ["1", "2"], [0.5, 0.5]) == ["1", "a", "b", "2"]


def test_facts_lie_at_every_depth(babilong_context):
    depths = []
    for row in build(babilong_context("qa1", 3000, samples=40)).rows:
        text = long_text(row)
        depths += [text.index(" went to the ") / len(text)]
    assert min(depths) < 0.15
    assert max(depths) > 0.5


def test_at_length_zero_the_context_is_the_facts_alone(babilong_context, babi_folder):
    rows = build(babilong_context("qa1", 0, samples=10)).rows
    assert len(rows) == 10
    for row in rows:
        assert long_text(row) == " ".join(read_task(babi_folder, "qa1")[row["number"]].facts)


def test_fewer_samples_are_the_first_of_more(babilong_context):
    many = build(babilong_context("qa1", 1500, samples=4)).rows
    assert build(babilong_context("qa1", 1500, samples=2)).rows == many[:2]
    assert len({row["number"] for row in many}) == 4


def test_the_official_subset_is_asked_where_it_is_given(babilong_context, tmp_path):
    subset = tmp_path / "test_100_idxs.json"
    subset.write_text(json.dumps({"qa1": [7, 3, 5]}))
    files = {"babilong_subset": str(subset)}
    assert [row["number"] for row in build(babilong_context("qa1", 0, files=files)).rows] == [3, 5, 7]
    assert len(build(babilong_context("qa2", 0, files=files)).rows) == 5
    subset.write_text(json.dumps({"qa1": [7000]}))
    with pytest.raises(InputError, match="7000"):
        build(babilong_context("qa1", 0, files=files))
    subset.write_text("[1]")
    with pytest.raises(InputError, match="test_100_idxs"):
        build(babilong_context("qa1", 0, files=files))


def test_questions_that_do_not_fit_are_left_out_and_none_at_all_is_an_error(babilong_context):
    with pytest.raises(InputError, match="longer length"):
        build(babilong_context("qa1", 300))
    whole = build(babilong_context("qa1", 0, samples=60)).rows
    shortest = min(row["length"] for row in whole)
    fitting = build(babilong_context("qa1", shortest, samples=60)).rows
    assert 0 < len(fitting) < len(whole)


@pytest.mark.parametrize("task", [f"qa{number}" for number in range(1, 11)])
def test_the_prompt_is_the_published_template_filled_in(task):
    parts = published()["tasks"][task]
    prompt, (start, end) = question_prompt(task, "  Facts {and} text. ", "Where? ")
    assert prompt[start:end] == "Facts {and} text."
    expected = published()["template"].format(**parts, context="Facts {and} text.", question="Where? ").strip()
    assert prompt == expected
    assert prompt.endswith("</context>\n\nQuestion: Where?")


@pytest.mark.parametrize("name", ["llama3", "llama2"])
def test_published_files_and_tokenizers_make_prompts_of_full_length(babilong_context, name):
    if not (REAL_RECORDS / "babi").is_dir():
        pytest.skip(f"{REAL_RECORDS / 'babi'} is not here")
    tokenizer = load_tokenizer(REAL_RECORDS / "tokenizers" / name)
    files = {"babi": str(REAL_RECORDS / "babi" / "tasks_1-20_v1-2" / "en")}
    for task in ("qa1", "qa2", "qa3", "qa7", "qa8"):
        rows = build(babilong_context(task, 4096, tokenizer, files=files, samples=2)).rows
        assert [4096 - row["length"] < 12 for row in rows] == [True, True]
