"""Rows of tokens for the tasks that measure loss: stretches of held-back books, and the beginnings of reports.

books  : rows of exactly `length` tokens; they do not overlap and never cross books; the first k rows are the same
         whatever number is asked for
reports: GovReport (Huang et al., 2021), from eval.data.govreport, a file of JSON lines or Parquet (or a folder with
         one): the hub's `report`, LongBench's `context`, L-Eval's `input`, or the `input_ids` of the reference
         tokenizer; the first ones with at least so many tokens, each cut to length - 1 tokens. With a reference
         tokenizer, every model reads the same texts.
invariant: perplexity and longppl measure the same rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contracts.errors import InputError
from contracts.tokenizer import Tokenizer
from eval.benchmarks.settings import GovReportSettings
from eval.building.context import BuildContext, reference_tokenizer, sample_generator
from eval.building.records import each_record, record_files


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


GOVREPORT = "govreport"
TEXT_FIELDS = ("report", "document", "context", "input", "text")


@dataclass(frozen=True)
class ReportRow:
    """One report's beginning: `ids` and `spans` (characters of `text`) are of the models' tokenizer, without BOS."""

    number: int
    text: str
    ids: list[int]
    spans: list[tuple[int, int]]


def report_rows(context: BuildContext) -> list[ReportRow]:
    """The reports of a cell; InputError where none is long enough."""
    settings: GovReportSettings = context.options.govreport
    counter = reference_tokenizer(context)
    rows: list[ReportRow] = []
    for number, text in enumerate(report_texts(context.data(GOVREPORT), counter)):
        if len(rows) == settings.samples:
            break
        spans = counter.encode_with_offsets(text)[1]
        if len(spans) >= settings.least_tokens:
            # One token short of the length, as published; BOS has room there.
            cut = text[: spans[: context.length - 1][-1][1]]
            rows.append(ReportRow(number, cut, *context.tokenizer.encode_with_offsets(cut)))
    if not rows:
        raise InputError(
            f"govreport: no report has {settings.least_tokens} tokens; lower govreport.least_tokens or add reports"
        )
    return rows


def report_texts(path: Path, counter: Tokenizer) -> Iterator[str]:
    """The reports of a file, or of the first file of a folder, in order."""
    for record in each_record(record_files(path)[0]):
        text = next((record[name] for name in TEXT_FIELDS if isinstance(record.get(name), str)), None)
        if text is None and "input_ids" in record:
            text = counter.decode(record["input_ids"])
        if text is None:
            raise InputError(
                f"{path}: a record has none of {', '.join(TEXT_FIELDS)}; give GovReport as it is published"
            )
        yield text
