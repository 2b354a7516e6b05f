"""Decide which tokens of which document go into which row: the plan of a packing, from lengths alone.

in : lengths of the documents, int64 [documents], which of them must stay whole, and PackSettings      out: Plan
Invariants: every token of every document is in exactly one segment, or counted under a reason; a document that must
stay whole is one segment; documents of a group are segments next to each other of one row; no row holds more than
`length` tokens when each of its segments is padded to the alignment; the plan is a function of its arguments.
Memory: a few int64 per segment, no token is read.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from data_prep.packs.best_fit import best_fit_decreasing
from data_prep.settings import PackSettings

# Why tokens are in no row.
LONGER = "longer than a row"
SHORTER = "shorter than a row"
BEYOND_FIRST_ROW = "beyond the first row of a document"
BEYOND_LIMIT = "rows beyond the limit"


@dataclass(frozen=True)
class Plan:
    """Rows of segments. Segment s is tokens [starts[s], starts[s] + tokens[s]) of document documents[s]."""

    documents: np.ndarray  # int64 [segments], index in the tokens folder
    starts: np.ndarray  # int64 [segments], tokens from the start of the document
    tokens: np.ndarray  # int64 [segments]
    rows: np.ndarray  # int64 [rows + 1]: row r has the segments rows[r] to rows[r + 1]
    dropped: dict[str, int]  # {reason: tokens} of what is in no row
    dropped_documents: dict[str, int]  # {reason: documents} that are in no row at all

    def __len__(self) -> int:
        return len(self.rows) - 1


def plan_rows(lengths: np.ndarray, settings: PackSettings, whole: np.ndarray | None = None) -> Plan:
    """The rows that pack documents of `lengths` tokens; those marked in `whole` (bool [documents]) are never cut."""
    lengths = np.asarray(lengths, dtype=np.int64)
    if settings.mode == "truncate":
        return first_rows(lengths, settings)
    whole = np.zeros(len(lengths), dtype=bool) if whole is None else whole
    too_long = whole & (lengths > settings.length)
    documents, starts, tokens = cut_into_pieces(np.where(too_long, 0, lengths), settings.length)
    full = tokens == settings.length
    row_of = np.empty(len(tokens), dtype=np.int64)
    row_of[full] = np.arange(full.sum())
    # Joined documents need no padding between them; separate segments each fill whole alignments.
    unit = settings.alignment if settings.block_diagonal else 1
    sizes = -(-tokens[~full] // unit)
    row_of[~full] = full.sum() + best_fit_decreasing(sizes, settings.length // unit)
    count = int(row_of.max()) + 1 if len(row_of) else 0
    place = row_places(count, settings.shuffle_seed)[row_of]
    order = np.lexsort((starts, documents, place))
    rows = np.concatenate([[0], np.cumsum(np.bincount(place, minlength=count))]).astype(np.int64)
    plan = Plan(documents[order], starts[order], tokens[order], rows, {}, {})
    return limited(with_dropped(plan, LONGER, lengths[too_long]), settings.rows)


def plan_groups(lengths: np.ndarray, settings: PackSettings, together: int) -> Plan:
    """The rows that pack whole documents, each run of `together` of them in one row and in their order.

    A group that is longer than a row is left out whole.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    units_GM = -(-lengths // settings.alignment).reshape(-1, together)
    fits_G = units_GM.sum(1) * settings.alignment <= settings.length
    groups = np.flatnonzero(fits_G)
    row_of_group = best_fit_decreasing(units_GM[groups].sum(1), settings.length // settings.alignment)
    count = int(row_of_group.max()) + 1 if len(groups) else 0
    place = row_places(count, settings.shuffle_seed)[row_of_group]
    order = np.lexsort((groups, place))
    documents = (groups[order, None] * together + np.arange(together)).reshape(-1)
    rows = np.concatenate([[0], np.cumsum(together * np.bincount(place, minlength=count))]).astype(np.int64)
    plan = Plan(documents, np.zeros(len(documents), np.int64), lengths[documents], rows, {}, {})
    return limited(with_dropped(plan, LONGER, lengths[np.repeat(~fits_G, together)]), settings.rows)


def first_rows(lengths: np.ndarray, settings: PackSettings) -> Plan:
    """One row per document, its first `length` tokens, as the paper's authors did: the limit takes the first ones."""
    long_enough = np.flatnonzero(lengths >= settings.length)
    kept = long_enough[: settings.rows]
    count = len(kept)
    documents = np.empty(count, dtype=np.int64)
    documents[row_places(count, settings.shuffle_seed)] = kept
    tokens = np.full(count, settings.length, dtype=np.int64)
    plan = Plan(documents, np.zeros(count, dtype=np.int64), tokens, np.arange(count + 1), {}, {})
    plan = with_dropped(plan, SHORTER, lengths[lengths < settings.length])
    plan = with_dropped(plan, BEYOND_LIMIT, lengths[long_enough[count:]])
    cut = int((lengths[kept] - settings.length).sum())
    return replace(plan, dropped=plan.dropped | ({BEYOND_FIRST_ROW: cut} if cut else {}))


def with_dropped(plan: Plan, reason: str, lengths: np.ndarray) -> Plan:
    """The plan with documents of `lengths` tokens counted as dropped."""
    if not len(lengths):
        return plan
    return replace(
        plan,
        dropped=plan.dropped | {reason: int(lengths.sum())},
        dropped_documents=plan.dropped_documents | {reason: len(lengths)},
    )


def cut_into_pieces(lengths: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(document, start, tokens) of every piece: documents cut every `length` tokens, the tail last."""
    pieces = -(-lengths // length)
    documents = np.repeat(np.arange(len(lengths)), pieces)
    firsts = np.cumsum(pieces) - pieces
    starts = (np.arange(len(documents)) - firsts[documents]) * length
    return documents, starts, np.minimum(lengths[documents] - starts, length)


def row_places(count: int, seed: int | None) -> np.ndarray:
    """int64 [count]: where each row goes. A seed orders rows by a hash, the same in every version of numpy."""
    places = np.arange(count)
    if seed is not None:
        places[np.argsort(scrambled(np.arange(count, dtype=np.uint64), seed), kind="stable")] = np.arange(count)
    return places


def scrambled(numbers: np.ndarray, seed: int) -> np.ndarray:
    """uint64 of the same shape: splitmix64 of each number, which maps different numbers to different ones."""
    start = int.from_bytes(hashlib.blake2b(str(seed).encode(), digest_size=8).digest())
    mixed = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def limited(plan: Plan, limit: int | None) -> Plan:
    """The first `limit` rows of a plan; what the others held is counted."""
    if limit is None or limit >= len(plan):
        return plan
    end = plan.rows[limit]
    gone = len(np.setdiff1d(plan.documents[end:], plan.documents[:end]))
    return Plan(
        plan.documents[:end],
        plan.starts[:end],
        plan.tokens[:end],
        plan.rows[: limit + 1],
        plan.dropped | {BEYOND_LIMIT: int(plan.tokens[end:].sum())},
        plan.dropped_documents | ({BEYOND_LIMIT: gone} if gone else {}),
    )
