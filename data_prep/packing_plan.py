"""Decide which tokens of which document go into which row: the plan of a packing, from lengths alone.

in : lengths of the documents, int64 [documents], and PackSettings      out: Plan
Invariants: every token of every document is in exactly one segment, or its row is beyond the row limit; no row
holds more than `length` tokens when each of its segments is padded to the alignment; the plan is a function of its
arguments. Memory: a few int64 per segment, no token is read.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from data_prep.best_fit import best_fit_decreasing
from data_prep.pack_settings import PackSettings


@dataclass(frozen=True)
class Plan:
    """Rows of segments. Segment s is tokens [starts[s], starts[s] + tokens[s]) of document documents[s]."""

    documents: np.ndarray  # int64 [segments], index in the tokens folder
    starts: np.ndarray  # int64 [segments], tokens from the start of the document
    tokens: np.ndarray  # int64 [segments]
    rows: np.ndarray  # int64 [rows + 1]: row r has the segments rows[r] to rows[r + 1]
    tokens_beyond_limit: int  # tokens of rows left out by the row limit

    def __len__(self) -> int:
        return len(self.rows) - 1


def plan_rows(lengths: np.ndarray, settings: PackSettings) -> Plan:
    """The rows that pack documents of `lengths` tokens: whole rows cut from long ones, tails by best fit."""
    documents, starts, tokens = cut_into_pieces(np.asarray(lengths, dtype=np.int64), settings.length)
    whole = tokens == settings.length
    row_of = np.empty(len(tokens), dtype=np.int64)
    row_of[whole] = np.arange(whole.sum())
    # Joined documents need no padding between them; separate segments each fill whole alignments.
    unit = settings.alignment if settings.block_diagonal else 1
    sizes = -(-tokens[~whole] // unit)
    row_of[~whole] = whole.sum() + best_fit_decreasing(sizes, settings.length // unit)
    count = int(row_of.max()) + 1 if len(row_of) else 0
    place = row_places(count, settings.shuffle_seed)[row_of]
    order = np.lexsort((starts, documents, place))
    rows = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=count))]).astype(np.int64)
    return limited(Plan(documents[order], starts[order], tokens[order], rows, 0), settings.rows)


def cut_into_pieces(lengths: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(document, start, tokens) of every piece: documents cut every `length` tokens, the tail last."""
    pieces = -(-lengths // length)
    documents = np.repeat(np.arange(len(lengths)), pieces)
    firsts = np.cumsum(pieces) - pieces
    starts = (np.arange(len(documents)) - firsts[documents]) * length
    return documents, starts, np.minimum(lengths[documents] - starts, length)


def row_places(count: int, seed: int | None) -> np.ndarray:
    """int64 [count]: where each row goes. A seed orders rows by a hash, the same in every version of numpy."""
    if seed is None:
        return np.arange(count)
    keys = [hashlib.blake2b(f"{seed}:{row}".encode(), digest_size=16).digest() for row in range(count)]
    places = np.empty(count, dtype=np.int64)
    places[sorted(range(count), key=keys.__getitem__)] = np.arange(count)
    return places


def limited(plan: Plan, limit: int | None) -> Plan:
    """The first `limit` rows of a plan; what the others held is counted."""
    if limit is None or limit >= len(plan):
        return plan
    end = plan.rows[limit]
    return Plan(
        plan.documents[:end],
        plan.starts[:end],
        plan.tokens[:end],
        plan.rows[: limit + 1],
        int(plan.tokens[end:].sum()),
    )
