"""longppl of books: the rows of perplexity, with the tokens marked that need the long context.

A sample: {"book", "start", "input_ids", "text", "key_intervals": [[start, end]] (characters of text),
"key_positions": [token index]}. The intervals are what the evaluator found; the positions are the tokens of
the evaluated models inside them (see eval.benchmarks.longppl.keys).
"""

from contracts.command_line import progress
from eval.benchmarks.longppl.keys import Interval, load_evaluator, with_keys
from eval.building.build_context import BuildContext, Built
from eval.building.rows import BookRow, choose_rows, row_tokens, tokenize_books


def build(context: BuildContext) -> Built:
    """The rows with their key tokens, found by the evaluator."""
    evaluator = load_evaluator(context)
    tokens = tokenize_books(context)
    texts = BookTexts(context)
    rows = []
    for row in progress(choose_rows(context, tokens, context.options.samples), description="key tokens", unit="row"):
        text, spans = texts.row(row)
        ids = row_tokens(context, tokens, row)
        place = {"book": context.books[row.book].identity, "start": row.start, "input_ids": ids}
        rows.append(place | with_keys(context, evaluator, text, ids[len(context.beginning) :], spans))
    found = sum(len(row["key_positions"]) for row in rows)
    inputs = {"books": context.describe_books(), "evaluator_sha256": evaluator.digest}
    return Built(rows, {"key_tokens": found, "evaluator": evaluator.name}, inputs)


class BookTexts:
    """Which characters each token of a book spells; every book is looked at once."""

    def __init__(self, context: BuildContext) -> None:
        self.context = context
        self.offsets: dict[int, list[Interval]] = {}

    def row(self, row: BookRow) -> tuple[str, list[Interval]]:
        """The row's text, and the characters of it that each of its tokens spells."""
        text = self.context.books[row.book].text
        if row.book not in self.offsets:
            self.offsets[row.book] = self.context.tokenizer.encode_with_offsets(text)[1]
        spans = self.offsets[row.book][row.start : row.end]
        begin = spans[0][0]
        return text[begin : spans[-1][1]], [(start - begin, end - begin) for start, end in spans]
