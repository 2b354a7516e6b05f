"""Write the rows of a plan into pack files, reading each token once from the memory-mapped tokens.

in : a TokensReader, a Plan, PackMetadata      out: pack-00000.arrow ... in a folder
Invariant: every row is exactly `length` tokens; memory holds one record batch, whatever the number of rows.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from contracts.packs import SPANS, PackMetadata, packs_schema
from data_prep.packing_plan import Plan
from data_prep.tokens_reader import TokensReader

BATCH_TOKENS = 1 << 20  # a record batch is about this many tokens (4 MiB), and at least one row
FILE_TOKENS = 1 << 26  # a file is about this many tokens (256 MiB), in whole batches
JOIN = " + "  # between the ids of the documents that a single segment joins


@dataclass(frozen=True)
class Row:
    """One training sequence, ready to be written; arrays have one entry per segment."""

    ids: np.ndarray  # int32 [L]
    lengths: np.ndarray
    tokens: np.ndarray
    documents: list[str]
    starts: np.ndarray


def rows_per_batch(length: int) -> int:
    """Rows of a record batch for rows of `length` tokens."""
    return max(1, BATCH_TOKENS // length)


def write_packs(folder: Path, reader: TokensReader, plan: Plan, metadata: PackMetadata) -> Iterator[int]:
    """Write all rows into `folder`; yields the number of rows of each batch as it is written."""
    schema = packs_schema(metadata)
    per_batch = metadata.rows_per_batch
    per_file = per_batch * max(1, FILE_TOKENS // (per_batch * metadata.length))
    for number, first in enumerate(range(0, max(len(plan), 1), per_file)):
        path = folder / f"pack-{number:05d}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            for begin in range(first, min(first + per_file, len(plan)), per_batch):
                end = min(begin + per_batch, first + per_file, len(plan))
                rows = [build_row(reader, plan, row, metadata) for row in range(begin, end)]
                writer.write_batch(pa.RecordBatch.from_arrays(columns(rows, metadata.length), schema=schema))
                yield len(rows)


def build_row(reader: TokensReader, plan: Plan, row: int, metadata: PackMetadata) -> Row:
    """Row `row` of the plan, its segments padded to the alignment and the last one to the end of the row."""
    segments = slice(plan.rows[row], plan.rows[row + 1])
    documents, starts, tokens = plan.documents[segments], plan.starts[segments], plan.tokens[segments]
    unit = metadata.alignment if metadata.block_diagonal else 1
    lengths = -(-tokens // unit) * unit
    lengths[-1] += metadata.length - lengths.sum()
    ids = np.full(metadata.length, metadata.padding_id, dtype=np.int32)
    for document, start, count, place in zip(documents, starts, tokens, np.cumsum(lengths) - lengths, strict=True):
        ids[place : place + count] = reader.tokens(document, start, start + count)
    names = [reader.id(document) for document in documents]
    if metadata.block_diagonal:
        return Row(ids, lengths, tokens, names, starts)
    return Row(ids, lengths.sum(keepdims=True), tokens.sum(keepdims=True), [JOIN.join(names)], starts[:1])


def columns(rows: list[Row], length: int) -> list[pa.Array]:
    """The columns of one record batch, in the order of the schema; plain text has no spans."""
    spans = pa.nulls(len(rows), SPANS)
    return [
        pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate([row.ids for row in rows])), length),
        list_column((row.lengths for row in rows), pa.int32()),
        list_column((row.tokens for row in rows), pa.int32()),
        list_column((row.documents for row in rows), pa.string()),
        list_column((row.starts for row in rows), pa.int64()),
        spans,
        spans,
    ]


def list_column(values: Iterable, kind: pa.DataType) -> pa.Array:
    """A column whose every row is a list of `kind`."""
    return pa.array([list(row) for row in values], pa.list_(kind))
