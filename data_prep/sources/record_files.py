"""Records (JSON objects, table rows) from files of any of the usual kinds, one at a time, with their place and fields.

in : .jsonl, .jsonl.gz, .jsonl.zst, .json (one array), .parquet; .txt (one document a file) is the caller's
out: Record or BadRecord, in the order of the files' names and of the records in them; their text, passages and ids,
     RecordError where a field is missing or of another kind
Invariant: memory holds one record and one block of a file, whatever the size of the corpus.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import InputError
from data_prep.settings import CorpusSettings
from data_prep.sources.json_files import line_parts, read_array, read_lines
from data_prep.sources.source import MEGABYTE, RECORD_EXCERPT, BadRecord, Part, not_utf8, reason_of, regular_file

RECORD_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".json", ".parquet")
ROWS_AT_ONCE = 16  # of a parquet file; they are held in memory


@dataclass(frozen=True)
class Record:
    """The fields of one record, and where it lies."""

    where: str
    name: str  # its id where it has none of its own: file:number
    fields: dict


def suffix_of(path: Path) -> str:
    """.jsonl.gz rather than .gz"""
    return next((suffix for suffix in RECORD_SUFFIXES if path.name.endswith(suffix)), path.suffix)


def corpus_files(path: Path, split: str, suffixes: Sequence[str]) -> tuple[Path, list[Path]]:
    """(folder that names are relative to, files) of a corpus: `path` itself, PATH/SPLIT/**, or PATH/** for train."""
    if path.is_file():
        if split != "train":
            raise InputError(f"{path}: one file has no split {split}; put {split} into a folder of that name")
        if suffix_of(path) not in suffixes:
            raise InputError(f"{path}: not one of {', '.join(suffixes)}; convert or rename it")
        return path.parent, [path]
    folder = path / split if (path / split).is_dir() else path
    if not folder.is_dir() or (folder == path and split != "train"):
        raise InputError(f"{path if split == 'train' else path / split}: no such corpus; name a file or a folder")
    files = [regular_file(file) for file in files_below(folder) if suffix_of(file) in suffixes]
    if not files:
        raise InputError(f"{folder}: no file ends in {', '.join(suffixes)}; name the folder that holds the corpus")
    return folder, sorted(files, key=lambda file: file.relative_to(folder).as_posix())


def files_below(folder: Path) -> Iterator[Path]:
    """Everything below a folder but folders, through links too; InputError for a folder that cannot be walked."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}); give the right to, or remove it")

    for parent, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        here = Path(parent)
        for link in (here / name for name in folders if (here / name).is_symlink()):
            if here.resolve().is_relative_to(link.resolve()):
                raise InputError(f"{link}: a link to a folder that it lies in; remove it")
        yield from (here / name for name in names)


def record_parts(path: Path, size: int) -> list[Part]:
    """A file in parts of about `size` bytes, as far as its kind can be entered in the middle."""
    if suffix_of(path) == ".parquet":
        return row_group_parts(path, size)
    return line_parts(path, size) if ".jsonl" in path.name else [Part(path, path.stat().st_size)]


def row_group_parts(path: Path, size: int) -> list[Part]:
    """A parquet file in runs of row groups; one part where it cannot be read (its reading will say so)."""
    whole = Part(path, path.stat().st_size)
    try:
        metadata = pq.ParquetFile(path).metadata
    except (pa.ArrowInvalid, OSError):
        return [whole]
    parts, begin, first, held, rows = [], 0, 1, 0, 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        held, rows = held + group.total_byte_size, rows + group.num_rows
        if held >= size or number == metadata.num_row_groups - 1:
            parts.append(Part(path, held, begin, number + 1, first))
            begin, first, held, rows = number + 1, first + rows, 0, 0
    return parts if len(parts) > 1 else [whole]


def read_records(part: Part, root: Path, corpus: CorpusSettings) -> Iterator[Record | BadRecord]:
    """The records of one part; a file without any is a BadRecord."""
    name = part.path.relative_to(root).as_posix()
    most_bytes = corpus.max_record_megabytes * MEGABYTE
    readers = {".parquet": read_rows, ".json": read_objects}
    empty = True
    for entry in readers.get(suffix_of(part.path), read_json_lines)(part, most_bytes):
        empty = False
        if isinstance(entry, BadRecord):
            yield entry
            continue
        where, number, fields = entry
        if isinstance(fields, dict):
            yield Record(where, f"{name}:{number}", fields)
        else:
            kind = type(fields).__name__
            yield BadRecord(where, "broken JSON", f"a record must be an object, this is {kind}", "correct or remove it")
    if empty and part.is_whole:
        yield BadRecord(str(part.path), "empty file", "no record in this file", "fetch it again or remove it")


def read_json_lines(part: Part, most_bytes: int) -> Iterator[tuple[str, int, object] | BadRecord]:
    """(where, line number, value) of each line."""
    for entry in read_lines(part, most_bytes):
        if isinstance(entry, BadRecord):
            yield entry
            continue
        number, line = entry
        where = f"{part.path} line {number}"
        try:
            yield where, number, json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            yield not_utf8(where, line, error)
        except (ValueError, RecursionError) as error:
            detail = f"not valid JSON ({reason_of(error)})"
            yield BadRecord(where, "broken JSON", detail, "correct or remove the line", line[:RECORD_EXCERPT])


def read_objects(part: Part, most_bytes: int) -> Iterator[tuple[str, int, object] | BadRecord]:
    """(where, number, value) of each element of a JSON array."""
    for entry in read_array(part.path, most_bytes):
        yield entry if isinstance(entry, BadRecord) else (f"{part.path} record {entry[0]}", *entry)


def read_rows(part: Part, most_bytes: int) -> Iterator[tuple[str, int, object] | BadRecord]:
    """(where, row number, fields) of each row of some row groups of a parquet file."""
    number = part.first
    try:
        file = pq.ParquetFile(part.path, memory_map=True, pre_buffer=False)
        groups = list(range(part.begin, file.metadata.num_row_groups if part.end is None else part.end))
        for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, row_groups=groups):
            for place in range(len(batch)):
                yield read_row(batch.slice(place, 1), f"{part.path} row {number}", number)
                number += 1
    except (pa.ArrowException, OSError) as error:
        detail = f"not readable as parquet ({str(error).splitlines()[0]})"
        yield BadRecord(f"{part.path} row {number}", "damaged parquet file", detail, "fetch the file again")


def read_row(row: pa.RecordBatch, where: str, number: int) -> tuple[str, int, object] | BadRecord:
    """The fields of a batch of one row; a BadRecord where a text of it is not UTF-8."""
    try:
        return where, number, row.to_pylist()[0]
    except UnicodeDecodeError as error:
        return not_utf8(where, error.object, error)


class RecordError(Exception):
    """A fault of one record; `bad` is the record that tells it. Never leaves the sources."""

    def __init__(self, record: Record, reason: str, detail: str, cure: str) -> None:
        super().__init__(detail)
        self.bad = BadRecord(
            record.where, reason, detail, cure, repr(record.fields)[:100_000].encode("utf-8", "replace")
        )


def text_of(record: Record, name: str, cure: str = "correct or remove the record") -> str:
    """A field that must be text, and Unicode that can be written as UTF-8."""
    if name not in record.fields:
        names = ", ".join(map(str, record.fields)) or "none"
        raise RecordError(record, "missing field", f"no field {name!r} (fields here: {names})", cure)
    value = record.fields[name]
    if not isinstance(value, str):
        raise RecordError(record, "field of another type", f"{name!r} is {type(value).__name__}, expected text", cure)
    return unicode_of(record, name, value)


def unicode_of(record: Record, name: str, value: str) -> str:
    """`value`, refused where it holds half of a surrogate pair (JSON can spell one, UTF-8 cannot)."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        detail = f"{name!r} holds the lone surrogate \\u{ord(value[error.start]):04x}"
        raise RecordError(record, "lone surrogate", detail, "correct or remove the record") from None
    return value


def passages_of(record: Record, name: str) -> list[str]:
    """The `content` of each passage in a list of objects."""
    values = record.fields.get(name)
    if name not in record.fields:
        raise RecordError(record, "missing field", f"no field {name!r}", "correct or remove the record")
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise RecordError(record, "field of another type", f"{name!r} is no list of objects", "correct the record")
    return [text_of(Record(record.where, record.name, value), "content") for value in values]


def id_of(record: Record, name: str) -> str:
    """The record's id: its own where it has one, else file:number."""
    value = record.fields.get(name)
    if value is None or value == "":
        return record.name
    if isinstance(value, bool) or not isinstance(value, str | int):
        kind = type(value).__name__
        raise RecordError(
            record, "field of another type", f"{name!r} is {kind}, expected text or a number", "correct it"
        )
    return unicode_of(record, name, str(value))
