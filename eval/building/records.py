"""The benchmarks' published files: found by their names, read record by record, checked, all records or some.

in : the path that `eval.data` gives: a file, or a folder; JSON lines (plain or gzip), JSON, Parquet
out: dictionaries, in the order of the file
invariants: a file that is broken is one line that names it, a record that lacks a field is named with the field; a
Parquet file is never in memory as a whole.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from contracts.errors import InputError
from eval.building.context import sample_generator

ENDINGS = (".jsonl", ".jsonl.gz", ".json", ".parquet")
RECORDS_AT_A_TIME = 16


def record_files(path: Path) -> list[Path]:
    """A file, or the files of records in a folder, by name."""
    if path.is_file():
        return [path]
    files = sorted(file for file in path.iterdir() if file.name.endswith(ENDINGS))
    if not files:
        raise InputError(f"{path}: holds no file of records ({' '.join(ENDINGS)}); put the published file there")
    return files


def each_record(path: Path, columns: tuple[str, ...] | None = None) -> Iterator[dict]:
    """The records of a file one after the other; of a .json file its list, or the list under `data`.

    `columns` spares a Parquet file the reading of the others.
    """
    try:
        if path.suffix == ".parquet":
            # pyarrow takes a second to import, and most files are text.
            from pyarrow import parquet

            for batch in parquet.ParquetFile(path).iter_batches(RECORDS_AT_A_TIME, columns=columns):
                yield from batch.to_pylist()
        elif path.suffix == ".json":
            content = json.loads(path.read_text(encoding="utf-8"))
            yield from content["data"] if isinstance(content, dict) else content
        else:
            yield from records_of_lines(path)
    except (OSError, EOFError, zlib.error, ValueError, KeyError) as error:
        raise InputError(f"{path}: cannot be read ({error}); fetch the file again") from None


def records_of_lines(path: Path) -> Iterator[dict]:
    """The records of a file of JSON lines; InputError names the first line that breaks."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                if line.strip():
                    yield json.loads(line)
            except json.JSONDecodeError as error:
                raise InputError(f"{path} line {number}: not valid JSON ({error.msg}); fetch the file again") from None


PLAIN_OR_GZIP = ("", ".gz")


def file_called(path: Path, names: tuple[str, ...]) -> Path:
    """`path` where it is a file, else the file of its folder (or of `data` in it) that has one of the names.

    A name may also be followed by `.gz`. Raises InputError that lists the names.
    """
    if path.is_file():
        return path
    for folder in (path, path / "data"):
        for name in (name + ending for name in names for ending in PLAIN_OR_GZIP):
            if (folder / name).is_file():
                return folder / name
    raise InputError(f"{path}: none of {', '.join(names)} is here; put the published file into this folder")


def check_fields(path: Path, records: list[dict], fields: dict[str, type | tuple[type, ...]]) -> None:
    """InputError unless there are records and each has all `fields`, of the right types."""
    if not records:
        raise InputError(f"{path}: holds no records; fetch it again")
    for number, record in enumerate(records, start=1):
        for field, kind in fields.items():
            if not isinstance(record, dict) or not isinstance(record.get(field), kind):
                raise InputError(f"{path} record {number}: no usable '{field}'; this is not the published format")


def chosen(records: list, wanted: int | None, seed: int, *names: str) -> list:
    """All records in their order, or `wanted` of them in an order of their own.

    That order depends on the seed and the names alone: every length asks the same records, and the first 10 of 50 are
    the 10 that one gets by asking for 10.
    """
    if wanted is None:
        return records
    order = list(range(len(records)))
    sample_generator(seed, *names).shuffle(order)
    return [records[index] for index in order[:wanted]]
