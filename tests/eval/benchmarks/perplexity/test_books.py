from itertools import pairwise

import pytest

from contracts.errors import InputError
from eval.benchmarks.perplexity.build import books
from eval.building.rows import choose_rows, tokenize_books


def build(context_of, length=100, samples=6, **shared):
    return books(context_of("perplexity", "books", length, {"samples": samples}, shared))


def test_every_row_has_exactly_the_length_and_is_a_piece_of_its_book(context_of, tokenizer):
    context = context_of("perplexity", "books", 100)
    tokens = {book.identity: tokenizer.encode(book.text) for book in context.books}
    for row in build(context_of).rows:
        assert len(row["input_ids"]) == 100
        assert row["input_ids"] == tokens[row["book"]][row["start"] : row["start"] + 100]


def test_rows_never_overlap(context_of):
    rows = build(context_of, samples=10_000).rows
    starts = sorted((row["book"], row["start"]) for row in rows)
    assert len(set(starts)) == len(starts)
    assert all(a[0] != b[0] or b[1] - a[1] >= 100 for a, b in pairwise(starts))


def test_fewer_samples_are_the_first_of_more(context_of):
    assert build(context_of, samples=3).rows == build(context_of, samples=8).rows[:3]


def test_bos_is_counted_in_the_length(context_of, tokenizer):
    for row in build(context_of, begin_with_bos=True).rows:
        assert len(row["input_ids"]) == 100
        assert row["input_ids"].index(tokenizer.bos_id) == 0


def test_both_loss_tasks_measure_the_same_rows(context_of):
    chosen = []
    for benchmark, options in (("perplexity", {}), ("longppl", {"window": 50})):
        context = context_of(benchmark, "books", 100, options)
        chosen.append(choose_rows(context, tokenize_books(context), 5))
    assert chosen[0] == chosen[1]


def test_a_length_beyond_every_book_is_refused(context_of):
    with pytest.raises(InputError, match="longest book"):
        build(context_of, length=10**6)


def test_unigram_entropies_are_finite_and_ordered(context_of):
    unigram = build(context_of).facts["unigram"]
    assert 0 < unigram["held_back_entropy"] < 6.24  # ln 512
    assert set(unigram) == {"held_back_entropy", "held_back_tokens"}
