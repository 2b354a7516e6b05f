"""LongAlpaca as published (Alpaca records: instruction with the document in it, output; input is empty or absent).

in : LongAlpaca-12k.json (one JSON array), or the same records as .jsonl or .parquet
out: one Sample per record; its supporting passages are not known
Invariant: the prompt is the instruction, and below it the input where a short record has one; nothing is added.
"""

from data_prep.settings import CorpusSettings
from data_prep.sources.chat_records import ChatRecords, open_chat_records
from data_prep.sources.record_files import Record, RecordError, id_of, text_of
from data_prep.sources.source import Sample, with_line_ends


def open_source(corpus: CorpusSettings, split: str) -> ChatRecords:
    """The files of LongAlpaca; InputError where there are none."""
    return open_chat_records("longalpaca", corpus, split, sample_of)


def sample_of(record: Record, corpus: CorpusSettings) -> Sample:
    """The prompt and the answer of one record."""
    extra = text_of(record, "input") if record.fields.get("input") else ""
    published = [text_of(record, "instruction"), *([extra] if extra else []), text_of(record, "output")]
    *messages, answer = (with_line_ends(text, corpus.line_ends) for text in published)
    prompt = "\n\n".join(text.strip() for text in messages)
    if not prompt or not answer.strip():
        what = "instruction" if not prompt else "output"
        raise RecordError(record, "empty field", f"the record has an empty {what}", "remove the record")
    characters, read = sum(map(len, published)), sum(map(len, [*messages, answer]))
    outer = read - sum(len(text.strip()) for text in [*messages, answer])
    dropped = {"CR of CRLF line ends": characters - read, "whitespace around a message": outer}
    dropped = {reason: count for reason, count in dropped.items() if count}
    return Sample(id_of(record, corpus.id_field), prompt, answer.strip(), None, None, characters, dropped, record.where)
