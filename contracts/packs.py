"""Packs: training sequences in Arrow IPC files, read as views of the memory map.

in : a folder of pack-00000.arrow, pack-00001.arrow ... (uncompressed; written by data_prep)
out: PackReader(folder): len(), row(index) -> PackRow, .metadata
Invariants: every row is exactly `length` tokens; its segments tile it (segment_lengths sum to length, each a
multiple of `alignment`); in each segment the first segment_tokens are real and the rest is padding, which
is never a target and never counted. Attention and RoPE positions start anew in every segment.
A torn or foreign file is refused in one line; a row is never copied out of the map.
"""

import mmap
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from contracts.errors import InputError
from contracts.manifest import MANIFEST_NAME, read_manifest

PACKS_KIND = "megatron-cdt packs 1"
SPANS = pa.list_(pa.struct([("start", pa.int32()), ("end", pa.int32())]))


@dataclass(frozen=True)
class PackMetadata:
    """What the schema of every pack file says; all files of a folder say the same."""

    length: int  # tokens per row
    alignment: int  # tokens; every segment's padded length is a multiple of it
    padding_id: int
    vocab_size: int
    rows_per_batch: int  # rows in every record batch but the last of a file
    block_diagonal: bool  # False: one segment per row, documents joined
    tokenizer_digest: str  # sha256 of the tokenizer's file
    fingerprint: str  # sha256 of the pack settings and the tokens they were applied to
    together: int = 1  # documents of a group, which are segments next to each other of one row
    longest: int = 0  # tokens of the longest segment, where groups make it shorter than a row; 0: not told

    def to_arrow(self) -> dict[str, str]:
        """As Arrow schema metadata, which holds text only; a value that most packs have is left out."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        usual = {field.name: field.default for field in fields(self)}
        return {"kind": PACKS_KIND} | {name: str(value) for name, value in told.items() if value != usual[name]}

    @classmethod
    def from_arrow(cls, metadata: Mapping[bytes, bytes] | None) -> "PackMetadata":
        """The inverse of `to_arrow`; raises KeyError or ValueError for what is not ours."""
        text = {key.decode(): value.decode() for key, value in (metadata or {}).items()}
        if text["kind"] != PACKS_KIND:
            raise ValueError(text["kind"])
        read = {int: int, str: str, bool: lambda word: word == "True"}
        told = [field for field in fields(cls) if field.name in text or field.default is MISSING]
        return cls(**{field.name: read[field.type](text[field.name]) for field in told})


def packs_schema(metadata: PackMetadata) -> pa.Schema:
    """The columns of a pack file; spans are half-open and counted in tokens from the start of the row."""
    return pa.schema(
        [
            pa.field("input_ids", pa.list_(pa.int32(), metadata.length), nullable=False),
            pa.field("segment_lengths", pa.list_(pa.int32()), nullable=False),  # tokens, padding included
            pa.field("segment_tokens", pa.list_(pa.int32()), nullable=False),  # real tokens
            pa.field("segment_documents", pa.list_(pa.string()), nullable=False),  # ids of the documents
            pa.field("segment_starts", pa.list_(pa.int64()), nullable=False),  # offset in the document, tokens
            pa.field("label_spans", SPANS),  # null: every real token is supervised
            pa.field("evidence_spans", SPANS),  # supporting passages; null: none known
        ],
        metadata=metadata.to_arrow(),
    )


@dataclass(frozen=True)
class PackRow:
    """One training sequence of L tokens in S segments. The arrays are read-only views of the file."""

    input_ids: np.ndarray  # int32 [L]
    segment_lengths: np.ndarray  # int32 [S], sum = L
    segment_tokens: np.ndarray  # int32 [S], 0 <= tokens <= length
    segment_starts: np.ndarray  # int64 [S], offset of the segment's first token in its document
    label_spans: np.ndarray | None  # int32 [spans, 2], half-open; None: every real token
    evidence_spans: np.ndarray | None  # int32 [spans, 2], half-open
    documents: pa.StringArray  # [S], as Arrow; `segment_documents` has them as text

    @property
    def segment_documents(self) -> list[str]:
        """The id of the document that each segment comes from."""
        return self.documents.to_pylist()

    def positions(self) -> np.ndarray:
        """RoPE positions, int32 [L]: they start at 0 in every segment and run on through its padding."""
        ends = np.cumsum(self.segment_lengths)
        return (np.arange(len(self.input_ids)) - np.repeat(ends - self.segment_lengths, self.segment_lengths)).astype(
            np.int32
        )

    def supervised_tokens(self) -> np.ndarray:
        """bool [L]: the tokens that are learned (targets), at their own place in the row.

        Real tokens, inside a label span where there are spans. The first token of a segment is never
        one of them: nothing before it predicts it.
        """
        firsts = np.cumsum(self.segment_lengths) - self.segment_lengths
        real = self.positions() < np.repeat(self.segment_tokens, self.segment_lengths)
        real[firsts] = False
        if self.label_spans is None:
            return real
        labelled = np.zeros_like(real)
        for start, end in self.label_spans:
            labelled[start:end] = True
        return real & labelled

    def target_mask(self) -> np.ndarray:
        """bool [L]: the positions whose next token is learned; the last token of a segment predicts nothing."""
        return np.append(self.supervised_tokens()[1:], False)


class PackReader:
    """The rows of a packs folder, by index. Opening reads the footers only, whatever the size."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.files = [PackFile(path) for path in pack_paths(self.folder)]
        self.metadata = self.files[0].metadata
        for file in self.files:
            if file.metadata != self.metadata:
                raise InputError(f"{file.path}: made with other settings than {self.files[0].path.name}; pack again")
        self.first_rows = np.cumsum([0, *(len(file) for file in self.files)]).tolist()

    def __len__(self) -> int:
        return self.first_rows[-1]

    def row(self, index: int) -> PackRow:
        """Row `index` (0 <= index < len); raises IndexError outside."""
        if not 0 <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        file = bisect_right(self.first_rows, index) - 1
        return self.files[file].row(index - self.first_rows[file])

    def input_ids(self, index: int) -> np.ndarray:
        """The ids of row `index` alone, int32 [L]: a view, for who needs no segments."""
        file = bisect_right(self.first_rows, index) - 1
        number, place = divmod(index - self.first_rows[file], self.metadata.rows_per_batch)
        return self.files[file].batch(number).input_ids[place]

    def release(self) -> None:
        """Give the pages of all rows read so far back to the system; rows stay valid."""
        for file in self.files:
            file.mapped.release()

    def __iter__(self) -> Iterator[PackRow]:
        return (self.row(index) for index in range(len(self)))


def pack_paths(folder: Path) -> list[Path]:
    """The pack files of a folder in order; one line where there are none or one is missing."""
    paths = sorted(folder.glob("pack-*.arrow"))
    if not paths:
        raise InputError(f"{folder}: no pack-00000.arrow here; make it with `python -m data_prep pack`")
    for number, path in enumerate(paths):
        if path.name != f"pack-{number:05d}.arrow":
            raise InputError(f"{folder}: pack-{number:05d}.arrow is missing; pack again")
    if (folder / MANIFEST_NAME).is_file():
        refuse_changed_sizes(folder, read_manifest(folder)["outputs"])
    return paths


def refuse_changed_sizes(folder: Path, outputs: Mapping[str, Mapping]) -> None:
    """InputError where a file of the manifest is absent or has another size (`data_prep verify` reads every byte)."""
    for name, file in outputs.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != file["bytes"]:
            raise InputError(f"{path}: absent or of another size than {MANIFEST_NAME} says; pack again")


class PackFile:
    """One pack file: its batches are mapped when first asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.batches: dict[int, PackBatch] = {}
        try:
            self.mapped = MappedArrow(path)
            self.reader = self.mapped.reader
            self.metadata = PackMetadata.from_arrow(self.reader.schema.metadata)
            foreign = not self.reader.schema.equals(packs_schema(self.metadata))
        except (pa.ArrowInvalid, OSError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{path}: torn or not an Arrow file ({reason}); pack again") from None
        except (KeyError, ValueError):
            foreign = True
        if foreign:
            raise InputError(f"{path}: an Arrow file, but not packs of this version; make it with `data_prep pack`")

    def __len__(self) -> int:
        full = self.reader.num_record_batches - 1
        return full * self.metadata.rows_per_batch + len(self.batch(full)) if full >= 0 else 0

    def row(self, index: int) -> PackRow:
        number, place = divmod(index, self.metadata.rows_per_batch)
        return self.batch(number).row(place)

    def batch(self, number: int) -> "PackBatch":
        if number not in self.batches:
            self.batches[number] = PackBatch(self.reader.get_batch(number))
        return self.batches[number]


class PackBatch:
    """One record batch as numpy views; a list column is its offsets and its values."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.columns = dict(zip(batch.schema.names, batch.columns, strict=True))

    @cached_property
    def input_ids(self) -> np.ndarray:
        """int32 [rows, L]"""
        column = self.columns["input_ids"]
        return numbers(column.values, np.int32).reshape(len(column), -1)

    @cached_property
    def offsets(self) -> np.ndarray:
        """int32 [rows + 1]: where each row's segments lie in the segment columns' values."""
        return numbers(self.columns["segment_lengths"].offsets, np.int32)

    @cached_property
    def segments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Padded lengths, real tokens and starts of the segments of every row."""
        kinds = {"segment_lengths": np.int32, "segment_tokens": np.int32, "segment_starts": np.int64}
        return tuple(numbers(self.columns[name].values, kind) for name, kind in kinds.items())

    def __len__(self) -> int:
        return len(self.columns["input_ids"])

    def row(self, place: int) -> PackRow:
        begin, end = self.offsets[place], self.offsets[place + 1]
        lengths, tokens, starts = self.segments
        return PackRow(
            input_ids=self.input_ids[place],
            segment_lengths=lengths[begin:end],
            segment_tokens=tokens[begin:end],
            segment_starts=starts[begin:end],
            label_spans=self.spans("label_spans", place),
            evidence_spans=self.spans("evidence_spans", place),
            documents=self.columns["segment_documents"].values[begin:end],
        )

    def spans(self, name: str, place: int) -> np.ndarray | None:
        """Row `place` of a column of spans as int32 [spans, 2]; None where it is null."""
        column = self.columns[name]
        if column.null_count and not column[place].is_valid:
            return None
        begin, end = column.offsets[place].as_py(), column.offsets[place + 1].as_py()
        return np.stack([numbers(column.values.field(part), np.int32)[begin:end] for part in ("start", "end")], axis=1)


def numbers(array: pa.Array, kind: type) -> np.ndarray:
    """A view of an array without nulls. (Arrow's own `to_numpy` imports pandas where it is installed: 0.2 s.)"""
    return np.frombuffer(array.buffers()[1], dtype=kind)[array.offset : array.offset + len(array)]


class MappedArrow:
    """One mapped file, whose pages can be given back: a walk over all of it stays as small as what it looks at.

    Nothing is read before it is looked at; after release() the views are valid and read the file again.
    Raises pa.ArrowInvalid or OSError where the file is no whole Arrow file.
    """

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as handle:
            try:
                self.map = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError:
                raise pa.ArrowInvalid("empty file") from None
        self.reader = pa.ipc.open_file(pa.py_buffer(self.map))

    def release(self) -> None:
        """Give the pages read so far back to the system."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.map.madvise(mmap.MADV_DONTNEED)
