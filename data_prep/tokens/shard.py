"""Tokenize one shard of a source into one tokens file.

in : a Job (source, settings) and a Shard
out: tokens-NNNNN.arrow; beside it tokens-NNNNN.quarantine.jsonl (bad records, where there are some) and
     tokens-NNNNN.json (counts), which go when all shards are done
Invariants: each file appears whole or not at all, the counts last, so that a shard with counts is finished; the
bytes depend on the job and the shard alone; memory holds one record batch and one record.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from contracts.files import atomic_file, atomic_text
from contracts.tokens import TokensMetadata, tokens_schema
from data_prep.arrow_columns import list_column, number_column, spans_column, text_column
from data_prep.settings import CorpusSettings, TokenizeSettings
from data_prep.sources.source import BadRecord, Shard, Source
from data_prep.tokens.counting import Counts
from data_prep.tokens.encode import Encoded, Encoder
from data_prep.tokens.quarantine import quarantine_file

# A record batch ends with the document that reaches this many tokens (16 MiB of ids).
BATCH_TOKENS = 1 << 22


@dataclass(frozen=True)
class Job:
    """All that a worker needs, whichever shard it is given."""

    source: Source
    corpus: CorpusSettings
    tokenizer_path: Path
    settings: TokenizeSettings
    template: str  # the text of the chat template; empty where the source needs none
    metadata: TokensMetadata
    folder: Path  # where the shards go


def shard_path(folder: Path, number: int) -> Path:
    """The tokens file of a shard."""
    return folder / f"tokens-{number:05d}.arrow"


def counts_path(folder: Path, number: int) -> Path:
    """The counts of a shard: they lie beside its tokens file until all shards are done."""
    return folder / f"tokens-{number:05d}.json"


def quarantine_path(folder: Path, number: int) -> Path:
    """The bad records of a shard; no file where there are none."""
    return folder / f"tokens-{number:05d}.quarantine.jsonl"


def is_finished(folder: Path, number: int) -> bool:
    """Whether a shard was written to its end (its counts are written last)."""
    return shard_path(folder, number).is_file() and counts_path(folder, number).is_file()


def tokenize_shard(job: Job, encoder: Encoder, shard: Shard) -> int:
    """Write the files of one shard; its number. Raises InputError for bad records where the corpus says stop."""
    counts = Counts()
    schema = tokens_schema(job.metadata)
    with (
        quarantine_file(quarantine_path(job.folder, shard.number), job.source.root) as set_aside,
        atomic_file(shard_path(job.folder, shard.number)) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, schema) as out,
    ):
        for ids, rows in batches(encoded_records(job, encoder, shard, counts, set_aside)):
            made = columns(ids, job.source.name, rows) + (place_columns(rows) if job.metadata.places else [])
            out.write_batch(pa.RecordBatch.from_arrays(made, schema=schema))
    atomic_text(counts_path(job.folder, shard.number), json.dumps(counts.values))
    return shard.number


def encoded_records(
    job: Job, encoder: Encoder, shard: Shard, counts: Counts, set_aside: Callable[[BadRecord], None]
) -> Iterator[tuple[str, Encoded]]:
    """(id, tokens) of the records that are kept; the others are counted, and bad ones set aside or fatal."""
    for record in job.source.records(shard):
        encoded = record if isinstance(record, BadRecord) else encoder.encode(record)
        if isinstance(encoded, BadRecord):
            if job.corpus.on_bad_record == "stop":
                raise encoded.error()
            counts.reject(encoded.reason)
            set_aside(encoded)
        elif encoded.left_out:
            counts.leave_out(encoded)
        else:
            counts.keep(encoded)
            yield record.id, encoded


def batches(records: Iterable[tuple[str, Encoded]]) -> Iterator[tuple[list[str], list[Encoded]]]:
    """(ids, rows) of each record batch."""
    ids: list[str] = []
    rows: list[Encoded] = []
    held = 0
    for name, encoded in records:
        ids.append(name)
        rows.append(encoded)
        held += len(encoded.ids)
        if held >= BATCH_TOKENS:
            yield ids, rows
            ids, rows, held = [], [], 0
    if ids:
        yield ids, rows


def columns(ids: list[str], source: str, rows: list[Encoded]) -> list[pa.Array]:
    """The columns of one record batch, in the order of the schema."""
    tokens = [row.ids for row in rows]
    characters = [row.characters - sum(row.dropped_characters.values()) for row in rows]
    return [
        text_column(ids),
        text_column([source] * len(ids)),
        number_column(np.array(characters, np.int64)),
        list_column(tokens, number_column(np.concatenate(tokens))),
        spans_column([row.label_spans for row in rows]),
        spans_column([row.evidence_spans for row in rows]),
    ]


def place_columns(rows: list[Encoded]) -> list[pa.Array]:
    """Where each sample's question and long text are."""
    return [spans_column([row.question_spans for row in rows]), spans_column([row.context_spans for row in rows])]
