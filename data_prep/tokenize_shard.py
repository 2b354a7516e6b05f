"""Tokenize one shard of a source into one tokens file.

in : a Job (source, settings) and a Shard      out: tokens-NNNNN.arrow, and tokens-NNNNN.json with its counts
Invariants: both files appear whole or not at all, the counts last, so that a shard with counts is finished; the
bytes depend on the job and the shard alone; memory holds one record batch and one document.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from contracts.errors import InputError
from contracts.files import atomic_file, atomic_text
from contracts.packs import SPANS
from contracts.tokenizer import Tokenizer
from contracts.tokens import TokensMetadata, tokens_schema
from data_prep.sources.source import Document, Shard, Source, with_line_ends
from data_prep.tokenize_settings import TokenizeSettings

# A record batch ends with the document that reaches this many tokens (16 MiB of ids).
BATCH_TOKENS = 1 << 22


@dataclass(frozen=True)
class Job:
    """All that a worker needs, whichever shard it is given."""

    source: Source
    tokenizer_path: Path
    settings: TokenizeSettings
    line_ends: str
    metadata: TokensMetadata
    folder: Path  # where the shards go


@dataclass
class Counts:
    """What went in and what came out of a shard: in = out + dropped."""

    documents: int = 0
    characters_in: int = 0
    characters_out: int = 0
    text_tokens: int = 0
    bos_tokens: int = 0
    eos_tokens: int = 0


def shard_path(folder: Path, number: int) -> Path:
    """The tokens file of a shard."""
    return folder / f"tokens-{number:05d}.arrow"


def counts_path(folder: Path, number: int) -> Path:
    """The counts of a shard: they lie beside its tokens file until all shards are done."""
    return folder / f"tokens-{number:05d}.json"


def is_finished(folder: Path, number: int) -> bool:
    """Whether a shard was written to its end (its counts are written last)."""
    return shard_path(folder, number).is_file() and counts_path(folder, number).is_file()


def tokenize_shard(job: Job, tokenizer: Tokenizer, shard: Shard) -> int:
    """Write the tokens file of one shard and its counts; its number. Raises InputError for bad documents."""
    path = shard_path(job.folder, shard.number)
    counts = Counts()
    schema = tokens_schema(job.metadata)
    with atomic_file(path) as temporary, pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, schema) as out:
        for batch in batches(job, tokenizer, shard, counts):
            out.write_batch(pa.RecordBatch.from_arrays(batch, schema=schema))
    atomic_text(counts_path(job.folder, shard.number), json.dumps(asdict(counts)))
    return shard.number


def batches(job: Job, tokenizer: Tokenizer, shard: Shard, counts: Counts) -> Iterator[list[pa.Array]]:
    """The columns of the shard's record batches."""
    ids: list[str] = []
    rows: list[np.ndarray] = []
    held = 0
    for document in job.source.documents(shard):
        rows.append(document_tokens(job, tokenizer, document, counts))
        ids.append(document.id)
        held += len(rows[-1])
        if held >= BATCH_TOKENS:
            yield columns(ids, job.source.name, rows)
            ids, rows, held = [], [], 0
    if ids:
        yield columns(ids, job.source.name, rows)


def document_tokens(job: Job, tokenizer: Tokenizer, document: Document, counts: Counts) -> np.ndarray:
    """The ids of one document, int32 [tokens], with the BOS and EOS that the settings ask for; counted."""
    text = with_line_ends(document.text, job.line_ends)
    tokens = tokenizer.encode_array(text)
    if not len(tokens):
        raise InputError(f"{job.source.name}: document {document.id} has no tokens; remove it")
    before = [tokenizer.bos_id] if job.settings.bos else []
    after = [tokenizer.eos_id] if job.settings.eos else []
    counts.documents += 1
    counts.characters_in += len(document.text)
    counts.characters_out += len(text)
    counts.text_tokens += len(tokens)
    counts.bos_tokens += len(before)
    counts.eos_tokens += len(after)
    return np.concatenate([before, tokens, after]).astype(np.int32) if before or after else tokens


def columns(ids: list[str], source: str, rows: list[np.ndarray]) -> list[pa.Array]:
    """The columns of one record batch, in the order of the schema; plain text has no spans."""
    offsets = np.cumsum([0, *(len(row) for row in rows)]).astype(np.int32)
    spans = pa.nulls(len(ids), SPANS)
    return [
        pa.array(ids, pa.string()),
        pa.array([source] * len(ids), pa.string()),
        pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(rows))),
        spans,
        spans,
    ]
