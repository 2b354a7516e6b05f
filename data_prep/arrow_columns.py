"""Arrow columns straight from the memory of numpy arrays and text, without a Python object for each number.

in : numpy arrays, lists of text, lists of spans      out: pyarrow arrays over the same memory
pyarrow's own `pa.array` looks for pandas objects first: where pandas is installed that imports it, 0.4 s in every
worker process. `contracts.packs.numbers` is the way back, for the same reason.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from contracts.packs import SPANS

KINDS = {np.dtype(np.int32): pa.int32(), np.dtype(np.int64): pa.int64()}


def number_column(values: np.ndarray) -> pa.Array:
    """Numbers, int32 or int64 [rows], none of them null."""
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(KINDS[values.dtype], len(values), [None, pa.py_buffer(values)])


def text_column(texts: Sequence[str]) -> pa.Array:
    """Texts, none of them null, of less than 2 GiB together."""
    encoded = [text.encode() for text in texts]
    buffers = [None, pa.py_buffer(offsets_of(encoded)), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.string(), len(encoded), buffers)


def list_column(rows: Sequence[Sequence], values: pa.Array) -> pa.Array:
    """A list in every row; `values` are the entries of all rows end to end."""
    buffers = [None, pa.py_buffer(offsets_of(rows))]
    return pa.Array.from_buffers(pa.list_(values.type), len(rows), buffers, children=[values])


def rows_column(values: np.ndarray, length: int) -> pa.Array:
    """Rows of `length` numbers each; `values` are those of all rows end to end, int32 [rows x length]."""
    column = number_column(values)
    return pa.Array.from_buffers(pa.list_(column.type, length), len(values) // length, [None], children=[column])


def spans_column(rows: Sequence[Sequence[tuple[int, int]] | None]) -> pa.Array:
    """Half-open spans, null where a row has None."""
    spans = [row or () for row in rows]
    edges = np.array([span for row in spans for span in row], np.int32).reshape(-1, 2)
    pairs = pa.Array.from_buffers(SPANS.value_type, len(edges), [None], children=[*map(number_column, edges.T)])
    valid = np.packbits([row is not None for row in rows], bitorder="little")
    nulls = sum(row is None for row in rows)
    buffers = [pa.py_buffer(valid) if nulls else None, pa.py_buffer(offsets_of(spans))]
    return pa.Array.from_buffers(SPANS, len(rows), buffers, nulls, children=[pairs])


def offsets_of(rows: Sequence[Sequence]) -> np.ndarray:
    """Where each row begins in all rows end to end, and where the last one ends: int32 [rows + 1]."""
    return np.cumsum([0, *map(len, rows)]).astype(np.int32)
