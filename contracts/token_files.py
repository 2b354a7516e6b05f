"""Read a tokens folder: the lengths of all documents at once, and the ids of any document as a view.

in : a folder made by `python -m data_prep tokenize`      out: TokensReader; the documents that repeat an earlier id
Invariant: the ids are never copied out of the memory map; a torn or foreign file is refused in one line.
Memory: 8 bytes per document for lengths, and 8 for hashes where repeated ids are looked for.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from contracts.errors import InputError
from contracts.packs import MappedArrow, numbers
from contracts.tokens import TokensMetadata, tokens_schema


@dataclass(frozen=True)
class TokensBatch:
    """One record batch; document `index` of the folder is row `index - first` here."""

    first: int
    batch: pa.RecordBatch

    @cached_property
    def offsets(self) -> np.ndarray:
        """int32 [rows + 1]: where each document's ids begin in `values`."""
        return numbers(self.batch.column("input_ids").offsets, np.int32)

    @cached_property
    def values(self) -> np.ndarray:
        """int32 [tokens]: the ids of all documents of the batch."""
        return numbers(self.batch.column("input_ids").values, np.int32)


class TokensReader:
    """The documents of a tokens folder, by index (0 <= index < len)."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.batches: list[TokensBatch] = []
        self.maps: list[MappedArrow] = []
        metadata = set()
        first = 0
        for path in tokens_paths(self.folder):
            mapped, of_file = open_tokens(path)
            metadata.add(of_file)
            self.maps.append(mapped)
            for number in range(mapped.reader.num_record_batches):
                self.batches.append(TokensBatch(first, mapped.reader.get_batch(number)))
                first += self.batches[-1].batch.num_rows
        if len(metadata) > 1:
            raise InputError(f"{folder}: its files come from different tokenizers or corpora; tokenize again")
        self.metadata: TokensMetadata = metadata.pop()
        self.firsts = np.array([batch.first for batch in self.batches])
        self.count = first

    def __len__(self) -> int:
        return self.count

    @cached_property
    def lengths(self) -> np.ndarray:
        """int64 [documents]: tokens per document."""
        return joined([np.diff(batch.offsets) for batch in self.batches]).astype(np.int64)

    @cached_property
    def characters(self) -> np.ndarray:
        """int64 [documents]: characters of each document."""
        return joined([numbers(batch.batch.column("characters"), np.int64) for batch in self.batches]).astype(np.int64)

    def place(self, index: int) -> tuple[TokensBatch, int]:
        """The batch that holds document `index`, and its row there."""
        batch = self.batches[int(np.searchsorted(self.firsts, index, side="right")) - 1]
        return batch, index - batch.first

    def tokens(self, index: int, start: int = 0, end: int | None = None) -> np.ndarray:
        """int32 view of tokens [start, end) of document `index`."""
        batch, row = self.place(index)
        begin, stop = int(batch.offsets[row]), int(batch.offsets[row + 1])
        return batch.values[begin + start : stop if end is None else begin + end]

    def id(self, index: int) -> str:
        """The id of document `index`."""
        batch, row = self.place(index)
        return batch.batch.column("id")[row].as_py()

    def source(self, index: int) -> str:
        """The source of document `index`, e.g. pg19/train."""
        batch, row = self.place(index)
        return batch.batch.column("source")[row].as_py()

    @cached_property
    def supervised(self) -> np.ndarray:
        """bool [documents]: those that say which of their tokens are learned; they must not be cut."""
        return joined([not_null(batch.batch.column("label_spans")) for batch in self.batches]).astype(bool)

    @cached_property
    def evidence_counts(self) -> np.ndarray:
        """int64 [documents]: supporting passages of each; -1 where they are not known."""
        columns = [batch.batch.column("evidence_spans") for batch in self.batches]
        counts = [np.where(not_null(column), np.diff(numbers(column.offsets, np.int32)), -1) for column in columns]
        return joined(counts).astype(np.int64)

    def spans(self, name: str, index: int) -> np.ndarray | None:
        """label_spans or evidence_spans of document `index`, int32 [spans, 2]; None where they are null."""
        batch, row = self.place(index)
        spans = batch.batch.column(name)[row].as_py()
        return None if spans is None else np.array([(s["start"], s["end"]) for s in spans], np.int32).reshape(-1, 2)

    def release(self) -> None:
        """Give the pages of all tokens read so far back to the system; views stay valid."""
        for mapped in self.maps:
            mapped.release()


def joined(arrays: list[np.ndarray]) -> np.ndarray:
    """The arrays end to end; an empty one where there is none."""
    return np.concatenate(arrays) if arrays else np.zeros(0)


def not_null(column: pa.Array) -> np.ndarray:
    """bool [rows]: the rows that are not null."""
    if not column.null_count:
        return np.ones(len(column), bool)
    bits = np.unpackbits(np.frombuffer(column.buffers()[0], np.uint8), bitorder="little")
    return bits[column.offset : column.offset + len(column)].astype(bool)


def tokens_paths(folder: Path) -> list[Path]:
    """The tokens files of a folder in order; one line where there are none or one is missing."""
    paths = sorted(folder.glob("tokens-*.arrow"))
    if not paths:
        raise InputError(f"{folder}: no tokens-00000.arrow here; make it with `python -m data_prep tokenize`")
    for number, path in enumerate(paths):
        if path.name != f"tokens-{number:05d}.arrow":
            raise InputError(f"{folder}: tokens-{number:05d}.arrow is missing; tokenize again")
    return paths


def open_tokens(path: Path) -> tuple[MappedArrow, TokensMetadata]:
    """The map and the metadata of one tokens file; one line where it is torn or foreign."""
    try:
        mapped = MappedArrow(path)
        metadata = TokensMetadata.from_arrow(mapped.reader.schema.metadata)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: torn or not an Arrow file ({reason}); tokenize again") from None
    except (KeyError, ValueError):
        raise InputError(f"{path}: an Arrow file, but not tokens of this version; tokenize again") from None
    if not mapped.reader.schema.equals(tokens_schema(metadata)):
        raise InputError(f"{path}: an Arrow file, but not tokens of this version; tokenize again")
    return mapped, metadata


def repeated_ids(reader: TokensReader) -> list[int]:
    """The indices of the documents whose id an earlier document has."""
    hashes = np.fromiter((id_hash(name) for _, name in all_ids(reader)), dtype=np.uint64, count=len(reader))
    ordered = np.sort(hashes)
    shared = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    if not shared:
        return []
    seen: set[str] = set()
    repeated = []
    for index, name in all_ids(reader):
        if int(hashes[index]) in shared:
            if name in seen:
                repeated.append(index)
            seen.add(name)
    return repeated


def refuse_repeated_ids(reader: TokensReader, cure: str = "give every document its own id") -> None:
    """InputError that names the first id that two documents share."""
    for index in repeated_ids(reader):
        raise InputError(f"{reader.folder}: two documents have the id {reader.id(index)}; {cure}")


def all_ids(reader: TokensReader) -> Iterator[tuple[int, str]]:
    """(index, id) of every document."""
    for batch in reader.batches:
        yield from enumerate(batch.batch.column("id").to_pylist(), batch.first)


def id_hash(name: str) -> int:
    """64 bits of a hash that is the same everywhere."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())
