import re

import pytest

from contracts.errors import InputError
from eval.benchmarks.hops import story
from eval.benchmarks.hops.story import IGNORED


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "with BOS"])
def rows(request, context_of):
    return story.build(context_of("hops", "3hop", 600, {"samples": 25}, {"begin_with_bos": request.param})).rows


def text_of(tokenizer, row, span) -> str:
    return tokenizer.decode(row["input_ids"][span["start"] : span["end"]])


def test_rows_fit_the_length_and_most_of_it_is_used(rows):
    lengths = [len(row["input_ids"]) for row in rows]
    assert max(lengths) <= 600
    assert min(lengths) > 600 - 80


def test_spans_cover_every_token_exactly_once_and_in_order(rows):
    for row in rows:
        covered = [token for span in row["spans"] for token in range(span["start"], span["end"])]
        assert covered == list(range(len(row["input_ids"])))


def test_only_the_answer_is_labelled_and_it_ends_the_row(rows, tokenizer):
    for row in rows:
        answer = row["spans"][-1]
        assert answer["kind"] == "answer"
        assert text_of(tokenizer, row, answer) == f" {row['answer']}"
        labelled = [index for index, label in enumerate(row["labels"]) if label != IGNORED]
        assert labelled == list(range(answer["start"], answer["end"]))
        assert [row["labels"][index] for index in labelled] == [row["input_ids"][index] for index in labelled]


def test_following_the_supporting_facts_gives_the_answer(rows, tokenizer):
    for row in rows:
        facts = [text_of(tokenizer, row, span) for span in row["spans"] if span["kind"] == "supporting"]
        assert len(facts) == 3
        (person,) = {fact.split()[0] for fact in facts}
        thing, before, last = (re.search(r"the (\w+)\.$", fact).group(1) for fact in facts)
        assert f"Where was the {thing} before the {last}?" in row["question"]
        assert before == row["answer"]
        others = [text_of(tokenizer, row, span) for span in row["spans"] if span["kind"] == "interference"]
        assert 3 <= len(others) <= 6
        assert not any(person in fact or f"the {thing}." in fact for fact in others)


def test_an_interference_fact_follows_the_last_supporting_one(rows):
    for row in rows:
        kinds = [span["kind"] for span in row["spans"] if span["kind"] in ("supporting", "interference")]
        assert kinds[-1] == "interference"


def test_irrelevant_text_comes_from_the_books(rows, tokenizer, books_folder):
    books = " ".join((books_folder / "test" / f"{name}.txt").read_text() for name in ("9", "10"))
    squeezed = " ".join(books.split())
    for row in rows[:5]:
        for span in row["spans"]:
            if span["kind"] == "irrelevant":
                sentences = re.split(r"(?<=[.!?])\s+(?=[A-Z])", text_of(tokenizer, row, span).strip())
                assert all(sentence in squeezed for sentence in sentences)


def test_a_row_decodes_to_its_text_with_question_and_answer_at_the_end(rows, tokenizer):
    for row in rows:
        assert tokenizer.decode(row["input_ids"]).endswith(f"\n{row['question']} {row['answer']}")


def test_fewer_samples_are_the_first_of_more(context_of):
    few, many = (story.build(context_of("hops", "3hop", 500, {"samples": count})).rows for count in (2, 5))
    assert few == many[:2]


def test_a_length_that_holds_no_story_and_missing_books_are_refused(context_of):
    with pytest.raises(InputError, match="longer length"):
        story.build(context_of("hops", "3hop", 100))
    with pytest.raises(InputError, match="--data books"):
        story.build(context_of("hops", "3hop", 600, data={"books": None}))
