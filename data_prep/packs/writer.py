"""Write the rows of a plan into pack files, reading each token once from the memory-mapped tokens.

in : a TokensReader, a Plan, PackMetadata      out: pack-00000.arrow ... in a folder
Invariant: every row is exactly `length` tokens; memory holds one record batch, whatever the number of rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from contracts.packs import PackMetadata, packs_schema
from contracts.token_files import TokensReader
from data_prep.arrow_columns import list_column, number_column, rows_column, spans_column, text_column
from data_prep.packs.plan import Plan

BATCH_TOKENS = 1 << 20  # a record batch is about this many tokens (4 MiB), and at least one row
FILE_TOKENS = 1 << 26  # a file is about this many tokens (256 MiB), in whole batches
# (document, first token in it, tokens, place in the row)
Piece = tuple[int, int, int, int]
JOIN = " + "  # between the ids of the documents that a single segment joins


@dataclass(frozen=True)
class Row:
    """One training sequence, ready to be written; arrays have one entry per segment."""

    ids: np.ndarray  # int32 [L]
    lengths: np.ndarray
    tokens: np.ndarray
    documents: list[str]
    starts: np.ndarray
    label_spans: list[tuple[int, int]] | None  # of the row; None: every real token
    evidence_spans: list[tuple[int, int]] | None


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
                reader.release()
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
    pieces = list(zip(documents, starts, tokens, np.cumsum(lengths) - lengths, strict=True))
    labels, evidence = label_spans(reader, pieces), evidence_spans(reader, pieces)
    if metadata.block_diagonal:
        return Row(ids, lengths, tokens, names, starts, labels, evidence)
    joined = lengths.sum(keepdims=True), tokens.sum(keepdims=True), [JOIN.join(names)]
    return Row(ids, *joined, starts[:1], labels, evidence)


def label_spans(reader: TokensReader, pieces: list[Piece]) -> list[tuple[int, int]] | None:
    """The supervised tokens of a row; None where every piece is learned as a whole."""
    if not any(reader.supervised[document] for document, *_ in pieces):
        return None
    spans = []
    for document, start, count, place in pieces:
        labels = reader.spans("label_spans", document)
        spans += moved(np.array([[start, start + count]]) if labels is None else labels, start, count, place)
    return spans


def evidence_spans(reader: TokensReader, pieces: list[Piece]) -> list[tuple[int, int]] | None:
    """The supporting passages of a row; None where no piece knows of any."""
    evidence = [(reader.spans("evidence_spans", document), *piece) for document, *piece in pieces]
    if all(spans is None for spans, *_ in evidence):
        return None
    return [span for spans, *piece in evidence if spans is not None for span in moved(spans, *piece)]


def moved(spans: np.ndarray, start: int, count: int, place: int) -> list[tuple[int, int]]:
    """Spans of a document as spans of the row that has its tokens [start, start + count) at `place`."""
    within = np.clip(spans, start, start + count) - start + place
    return [(begin, end) for begin, end in within.tolist() if begin < end]


def columns(rows: list[Row], length: int) -> list[pa.Array]:
    """The columns of one record batch, in the order of the schema."""
    documents = [row.documents for row in rows]
    return [
        rows_column(np.concatenate([row.ids for row in rows]), length),
        numbers_column([row.lengths for row in rows], np.int32),
        numbers_column([row.tokens for row in rows], np.int32),
        list_column(documents, text_column([name for names in documents for name in names])),
        numbers_column([row.starts for row in rows], np.int64),
        spans_column([row.label_spans for row in rows]),
        spans_column([row.evidence_spans for row in rows]),
    ]


def numbers_column(rows: list[Sequence[int]], kind: type) -> pa.Array:
    """A column whose every row is a list of numbers."""
    return list_column(rows, number_column(np.array([number for row in rows for number in row], kind)))
