"""longppl: the rows of perplexity, with the tokens marked that a model can only guess with the long context.

A sample: {"book", "start", ...} or {"report", ...}, and {"input_ids", "text", "key_intervals": [[start, end]]
(characters of text), "key_positions": [token index]}: what the evaluator found, and the tokens of the evaluated models
inside it.
An evaluator model reads every row whole and again with the context cut to K..K+d-1 tokens. A token is key if
the cut costs it more than alpha nats and it is likelier than exp(beta) with the whole row. Tokens before K are
never key. (Fang et al., "What is Wrong with Perplexity for Long-context Language Modeling?", 2024.)
The evaluator's key tokens are handed on as character intervals, so that it may have a tokenizer of its own.
"""

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from contracts.command_line import progress
from contracts.errors import InputError
from contracts.tokenizer import Tokenizer, load_tokenizer
from eval.backends.model_files import model_digest, model_name
from eval.backends.models import choose_device, context_window, load_model, long_and_short_losses
from eval.benchmarks.longppl import LongPPLSettings
from eval.building.context import BuildContext, Built, counted_by
from eval.building.rows import GOVREPORT, BookRow, choose_rows, report_rows, row_tokens, tokenize_books

Interval = tuple[int, int]


@dataclass(frozen=True)
class Evaluator:
    """The model that finds the key tokens, with its own tokenizer."""

    model: PreTrainedModel
    tokenizer: Tokenizer
    name: str
    digest: str


def load_evaluator(context: BuildContext) -> Evaluator:
    """The evaluator of a cell; InputError where the window leaves no token to look at."""
    settings = context.options
    if settings.window >= context.length:
        raise InputError(
            f"longppl.window {settings.window} leaves no token of {context.length}-token rows; set it below the length"
        )
    folder = context.data("evaluator")
    model = load_model(folder, choose_device(context.device))
    return Evaluator(model, load_tokenizer(folder), model_name(folder), model_digest(folder))


def with_keys(context: BuildContext, evaluator: Evaluator, text: str, ids: list[int], spans: list[Interval]) -> dict:
    """{"text", "key_intervals" (characters of text), "key_positions" (in the models' row)} of one row.

    `ids` and `spans` are the tokens of the text in the models' tokenizer, without BOS.
    """
    shift = len(context.beginning)
    intervals = key_intervals(context, evaluator, text, ids, spans)
    positions = [shift + index for index in tokens_inside(spans, intervals)]
    return {
        "text": text,
        "key_intervals": [list(interval) for interval in intervals],
        # The first token of a row has no loss, so it cannot be key.
        "key_positions": [position for position in positions if position > 0],
    }


def key_intervals(
    context: BuildContext, evaluator: Evaluator, text: str, ids: list[int], spans: list[Interval]
) -> list[Interval]:
    """Character intervals of the key tokens of `text`, touching ones merged.

    `ids` and `spans` are the row's own tokens: the evaluator reads them as they are where it shares the tokenizer.
    """
    tokenizer = evaluator.tokenizer
    if tokenizer.digest != context.tokenizer.digest:
        ids, spans = tokenizer.encode_with_offsets(text)
    if context.settings.begin_with_bos and tokenizer.bos_id is not None:
        ids, spans = [tokenizer.bos_id, *ids], [(0, 0), *spans]
    window = context_window(evaluator.model)
    if window is not None and len(ids) > window:
        raise InputError(
            f"the evaluator reads {window} tokens, a row has {len(ids)}; choose an evaluator with a longer window"
        )
    return merged([spans[index] for index in key_tokens(evaluator.model, ids, context.options)])


def key_tokens(model: PreTrainedModel, ids: list[int], settings: LongPPLSettings) -> list[int]:
    """Indices of the tokens with loss_short - loss_long > alpha and loss_long < -beta, in order."""
    long, short = long_and_short_losses(model, ids, settings.window, settings.stride)
    return (torch.nonzero(are_key(short, long, settings)).flatten() + 1).tolist()


def are_key(short: torch.Tensor, long: torch.Tensor, settings: LongPPLSettings) -> torch.Tensor:
    """Which losses (nats) make key tokens: both thresholds must be passed, equality is not enough; nan is never key."""
    return (short - long > settings.alpha) & (long < -settings.beta)


def merged(intervals: list[Interval]) -> list[Interval]:
    """Intervals in order, those that touch joined into one."""
    joined: list[Interval] = []
    for start, end in intervals:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def tokens_inside(spans: list[Interval], intervals: list[Interval]) -> list[int]:
    """Indices of the spans that lie wholly in one of the intervals; both in order, empty spans never count."""
    inside, current = [], 0
    for index, (start, end) in enumerate(spans):
        while current < len(intervals) and intervals[current][1] < end:
            current += 1
        if current < len(intervals) and start < end and intervals[current][0] <= start:
            inside.append(index)
    return inside


def books(context: BuildContext) -> Built:
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
    key_tokens = sum(len(row["key_positions"]) for row in rows)
    inputs = {"books": context.describe_books(), "evaluator_sha256": evaluator.digest}
    return Built(rows, {"key_tokens": key_tokens, "evaluator": evaluator.name}, inputs)


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


def govreport(context: BuildContext) -> Built:
    """The reports with their key tokens, found by the evaluator."""
    evaluator = load_evaluator(context)
    rows = [
        {"report": row.number, "input_ids": [*context.beginning, *row.ids]}
        | with_keys(context, evaluator, row.text, row.ids, row.spans)
        for row in progress(report_rows(context), description="key tokens", unit="report")
    ]
    key_tokens = sum(len(row["key_positions"]) for row in rows)
    inputs = {GOVREPORT: context.describe(GOVREPORT), "evaluator_sha256": evaluator.digest}
    return Built(
        rows, {"key_tokens": key_tokens, "evaluator": evaluator.name, "counted_by": counted_by(context)}, inputs
    )
