"""What there is to say about a folder of this room, as one JSON-able dict per kind.

in : a tokenizer, tokens or packs folder, and a way to find the tokenizer of a digest
out: counts, quantiles and a histogram of lengths, and a sample of one document or row
Invariant: lengths and shares come from the Arrow files themselves, not from the manifest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from contracts.errors import InputError
from contracts.packs import PackReader, PackRow
from contracts.token_files import TokensReader
from contracts.tokenizer import Tokenizer, load_tokenizer

BINS = 12
RELEASE_ROWS = 64  # rows between two times that pages are given back
SAMPLE_TOKENS = 60  # tokens shown of a document, and at each end of a segment
PROBE = "The quick brown fox,\n  1859."

FindTokenizer = Callable[[str], Tokenizer | None]


def describe_tokenizer(folder: Path) -> dict:
    """Size, special tokens, and how a probe is cut."""
    tokenizer = load_tokenizer(folder)
    ids = tokenizer.encode(PROBE)
    return {
        "kind": "tokenizer",
        "folder": str(folder),
        "vocab_size": tokenizer.vocab_size,
        "bos_id": tokenizer.bos_id,
        "eos_id": tokenizer.eos_id,
        "digest": tokenizer.digest,
        "special_tokens": dict(tokenizer.special_tokens),
        "probe": {"text": PROBE, "ids": ids, "pieces": [tokenizer.piece(token) for token in ids]},
    }


def describe_tokens(folder: Path, index: int, find_tokenizer: FindTokenizer) -> dict:
    """Documents, their lengths in tokens, and the beginning of one."""
    reader = TokensReader(folder)
    refuse_outside(folder, index, len(reader), "document")
    ids = reader.tokens(index)
    tokenizer = find_tokenizer(reader.metadata.tokenizer_digest)
    return {
        "kind": "tokens",
        "folder": str(folder),
        "documents": len(reader),
        "tokens": int(reader.lengths.sum()),
        "vocab_size": reader.metadata.vocab_size,
        "tokenizer_digest": reader.metadata.tokenizer_digest,
        "document_lengths": spread(reader.lengths),
        **spread_of("evidence_passages", reader.evidence_counts[reader.evidence_counts >= 0]),
        "sample": {
            "document": reader.id(index),
            "source": reader.source(index),
            "tokens": len(ids),
            "supervised_spans": as_lists(reader.spans("label_spans", index)),
            "evidence_spans": as_lists(reader.spans("evidence_spans", index)),
            "begin": excerpt(ids[:SAMPLE_TOKENS], tokenizer),
            "end": excerpt(ids[SAMPLE_TOKENS:][-SAMPLE_TOKENS:], tokenizer),
        },
    }


def describe_packs(folder: Path, index: int, find_tokenizer: FindTokenizer) -> dict:
    """Rows, segments, the share of padding and of supervised tokens, and one row with its document boundaries."""
    reader = PackReader(folder)
    refuse_outside(folder, index, len(reader), "row")
    seen = look_at_rows(reader)
    places = len(reader) * reader.metadata.length
    return {
        "kind": "packs",
        "folder": str(folder),
        "rows": len(reader),
        "length": reader.metadata.length,
        "alignment": reader.metadata.alignment,
        "block_diagonal": reader.metadata.block_diagonal,
        "vocab_size": reader.metadata.vocab_size,
        "tokenizer_digest": reader.metadata.tokenizer_digest,
        "fingerprint": reader.metadata.fingerprint,
        "tokens": sum(seen.tokens),
        "padding_share": 1 - sum(seen.tokens) / places,
        "supervised_share": seen.supervised / places,
        "segments": len(seen.tokens),
        "segment_tokens": spread(seen.tokens),
        **spread_of("evidence_passages", seen.passages),
        **spread_of("evidence_places", seen.places),
        "sample": {
            "row": index,
            "segments": describe_segments(reader.row(index), find_tokenizer(reader.metadata.tokenizer_digest)),
        },
    }


@dataclass
class RowsSeen:
    """What a walk over the rows of a packs folder counts."""

    tokens: list[int] = field(default_factory=list)  # of each segment
    supervised: int = 0  # tokens
    passages: list[int] = field(default_factory=list)  # supporting ones of each segment that has some
    places: list[int] = field(default_factory=list)  # where each of them begins, percent of its segment's tokens


def look_at_rows(reader: PackReader) -> RowsSeen:
    """One walk over all rows, which gives the pages that it has read back."""
    seen = RowsSeen()
    for number, row in enumerate(reader):
        seen.tokens += row.segment_tokens.tolist()
        seen.supervised += int(row.supervised_tokens().sum())
        if row.evidence_spans is not None:
            segments, places = evidence_places(row)
            seen.passages += np.unique(segments, return_counts=True)[1].tolist()
            seen.places += places.tolist()
        if number % RELEASE_ROWS == 0:
            reader.release()
    return seen


def describe_segments(row: PackRow, tokenizer: Tokenizer | None) -> list[dict]:
    """Each segment of a row: where it comes from, its place, and both its ends as text."""
    begins = np.cumsum(row.segment_lengths) - row.segment_lengths
    supervised = row.supervised_tokens()
    described = []
    for number, document in enumerate(row.segment_documents):
        begin, length = int(begins[number]), int(row.segment_lengths[number])
        ids = row.input_ids[begin : begin + int(row.segment_tokens[number])]
        described.append(
            {
                "document": document,
                "start_in_document": int(row.segment_starts[number]),
                "place_in_row": begin,
                "tokens": len(ids),
                "padding": length - len(ids),
                "supervised_spans": spans_of(supervised[begin : begin + length], begin),
                "evidence_spans": within(row.evidence_spans, begin, begin + length),
                "begin": excerpt(ids[:SAMPLE_TOKENS], tokenizer),
                "end": excerpt(ids[SAMPLE_TOKENS:][-SAMPLE_TOKENS:], tokenizer),
            }
        )
    return described


def evidence_places(row: PackRow) -> tuple[np.ndarray, np.ndarray]:
    """Of each supporting passage: its segment, and where it begins in percent of the segment's real tokens."""
    begins = np.cumsum(row.segment_lengths) - row.segment_lengths
    starts = row.evidence_spans[:, 0]
    segments = np.searchsorted(begins, starts, side="right") - 1
    return segments, 100 * (starts - begins[segments]) // row.segment_tokens[segments]


def within(spans: np.ndarray | None, begin: int, end: int) -> list[list[int]]:
    """The spans of a row that lie in one segment."""
    return [] if spans is None else [span for span in spans.tolist() if begin <= span[0] < end]


def spread_of(name: str, values: Sequence[int] | np.ndarray) -> dict:
    """{name: spread of the values}; nothing where nothing is known."""
    return {name: spread(values)} if len(values) else {}


def as_lists(spans: np.ndarray | None) -> list[list[int]] | None:
    """Spans for JSON; None: every token is learned, or nothing is known."""
    return None if spans is None else spans.tolist()


def spans_of(mask: np.ndarray, offset: int) -> list[list[int]]:
    """The half-open runs of True in a mask, counted from `offset`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return (edges.reshape(-1, 2) + offset).tolist()


def spread(lengths: Sequence[int] | np.ndarray) -> dict:
    """Smallest, mean, median, largest, and a histogram of whole-number bins: {from, below, count}."""
    values = np.asarray(lengths)
    if not len(values):
        return {"min": None, "mean": None, "median": None, "max": None, "histogram": []}
    low, high = int(values.min()), int(values.max())
    width = max(1, -(-(high - low + 1) // BINS))
    counts = np.bincount((values - low) // width)
    bins = [{"from": low + n * width, "below": low + (n + 1) * width, "count": int(c)} for n, c in enumerate(counts)]
    return {
        "min": low,
        "mean": float(values.mean()),
        "median": float(np.median(values)),
        "max": high,
        "histogram": bins,
    }


def excerpt(ids: np.ndarray, tokenizer: Tokenizer | None) -> str:
    """The text of `ids`, special tokens by name; the ids themselves where no tokenizer was found."""
    if tokenizer is None:
        return " ".join(str(token) for token in ids)
    names = {token: name for name, token in tokenizer.special_tokens.items()}
    text, plain = "", []
    for token in [*ids.tolist(), None]:
        if token is not None and token not in names and token < tokenizer.vocab_size:
            plain.append(token)
            continue
        # An id beyond the tokenizer's is one that was added to mask with.
        text += tokenizer.decode(plain) + (names.get(token, f"<{token}>") if token is not None else "")
        plain = []
    return text


def refuse_outside(folder: Path, index: int, count: int, noun: str) -> None:
    """InputError where there is no document or row of that number."""
    if not 0 <= index < count:
        raise InputError(f"{folder}: no {noun} {index}; there are {count}, counted from 0")
