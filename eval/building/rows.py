"""Rows of exactly `length` tokens from held-back books, for the tasks that measure loss.

invariants: rows do not overlap; a row never crosses books; the first k rows are the same whatever number is
asked for; perplexity and longppl measure the same rows.
"""

from dataclasses import dataclass

import numpy as np

from contracts.errors import InputError
from eval.building.build_context import BuildContext
from eval.building.seeds import sample_generator


@dataclass(frozen=True)
class BookRow:
    """Tokens [start, end) of a book (index into the context's books)."""

    book: int
    start: int
    end: int


def tokenize_books(context: BuildContext) -> list[np.ndarray]:
    """The tokens of every book, int32 [tokens]."""
    return [context.tokenizer.encode_array(book.text) for book in context.books]


def choose_rows(context: BuildContext, tokens: list[np.ndarray], samples: int) -> list[BookRow]:
    """At most `samples` rows, in random order; InputError where no book holds one row."""
    content = context.length - len(context.beginning)
    candidates = [
        BookRow(book, start, start + content)
        for book, ids in enumerate(tokens)
        for start in range(0, len(ids) - content + 1, content)
    ]
    if not candidates or content < 2:
        longest = max(map(len, tokens))
        raise InputError(f"--length {context.length}: the longest book has {longest} tokens; add longer ones")
    # Not the task's own seed: both loss tasks are to measure the same rows.
    sample_generator(context.settings.seed, "book rows", context.length).shuffle(candidates)
    return candidates[:samples]


def row_tokens(context: BuildContext, tokens: list[np.ndarray], row: BookRow) -> list[int]:
    """The row's input: BOS where the settings ask for it, then the book's tokens."""
    return [*context.beginning, *tokens[row.book][row.start : row.end].tolist()]
