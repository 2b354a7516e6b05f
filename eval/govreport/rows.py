"""Reports as rows: the first ones with at least so many tokens, each cut to length - 1 tokens.

in : eval.data.govreport, a file of JSON lines or Parquet (or a folder with one): the hub's `report`, LongBench's
     `context`, L-Eval's `input`, or the `input_ids` of the reference tokenizer
out: per report its number in the file, its text, and the tokens of the models with the characters that each spells
invariant: perplexity and longppl measure the same rows; with a reference tokenizer, every model reads the same texts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import InputError
from contracts.tokenizer import Tokenizer
from eval.building.build_context import BuildContext
from eval.building.record_files import each_record, record_files
from eval.building.reference_tokenizer import reference_tokenizer
from eval.govreport.settings import GovReportSettings

DATA = "govreport"
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
    for number, text in enumerate(texts(context.data(DATA), counter)):
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


def texts(path: Path, counter: Tokenizer) -> Iterator[str]:
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
