"""Other questions to the same text keep the text's tokens and ask what only interference facts tell."""

import re

import pytest

from contracts.tokenizer import load_tokenizer
from eval.analysis.other_questions import other_rows
from eval.benchmarks.hops.build import build
from tests.copy_of_repository import REPOSITORY


@pytest.fixture(scope="module")
def base_tokenizer():
    return load_tokenizer(REPOSITORY / "resources/base")


def rows_of(context_of, tokenizer, answer: str) -> list[dict]:
    context = context_of("hops", "3hop", 480, {"samples": 6, "emojis": 2, "stories": "own", "answer": answer})
    return build(type(context)(**{**vars(context), "tokenizer": tokenizer})).rows


def text_of(row, tokenizer, kind: str) -> list[str]:
    return [tokenizer.decode(row["input_ids"][s["start"] : s["end"]]) for s in row["spans"] if s["kind"] == kind]


@pytest.mark.parametrize("answer", ["chain", "place"])
def test_the_text_stays_and_the_answer_is_the_last_place_of_the_person(context_of, base_tokenizer, answer):
    asked, tokenizer = 0, base_tokenizer
    for row in rows_of(context_of, tokenizer, answer):
        person = text_of(row, tokenizer, "supporting")[0].split()[0]
        facts = [fact.strip() for fact in text_of(row, tokenizer, "interference")]
        for other in other_rows(row, tokenizer, 9):
            asked += 1
            shared = other["shared_tokens"]
            assert other["input_ids"][:shared] == row["input_ids"][:shared]
            (question,), (told,) = text_of(other, tokenizer, "question"), text_of(other, tokenizer, "answer")
            about = re.search(r"Question: Where is (\w+)\?\nAnswer:$", question)[1]
            assert about != person
            moves = [fact for fact in facts if fact.startswith(about) and " the " in fact and " to " in fact]
            place = moves[-1].split()[-1].rstrip(".")
            assert told == (f" {moves[-1]}" if answer == "chain" else f" {place}")
            assert [fact.strip() for fact in text_of(other, tokenizer, "supporting")] == [moves[-1]]
            assert [span["start"] for span in other["spans"][1:]] == [span["end"] for span in other["spans"][:-1]]
            assert other["spans"][-1]["end"] == len(other["input_ids"]) == len(other["labels"])
            start = other["spans"][-1]["start"]
            assert other["labels"] == [-100] * start + other["input_ids"][start:]
    assert asked >= 6


def test_there_are_none_where_they_cannot_be_written(context_of, base_tokenizer):
    row = next(row for row in rows_of(context_of, base_tokenizer, "chain") if other_rows(row, base_tokenizer, 1))
    no_interference = [span for span in row["spans"] if span["kind"] != "interference"]
    assert other_rows({**row, "spans": no_interference}, base_tokenizer, 2) == []
    assert other_rows(row, base_tokenizer, 0) == []
    question = next(span for span in row["spans"] if span["kind"] == "question")
    spelled = base_tokenizer.encode("x" * 60)[: question["end"] - question["start"]]
    ids = [*row["input_ids"][: question["start"]], *spelled, *row["input_ids"][question["start"] + len(spelled) :]]
    assert "Question: " not in base_tokenizer.decode(spelled)
    shortened = [{**span, "end": span["start"] + len(spelled)} if span is question else span for span in row["spans"]]
    assert other_rows({**row, "input_ids": ids, "spans": shortened}, base_tokenizer, 2) == []
