"""The benchmarks' published files: JSON or JSON lines, plain or gzipped, a file or one of a folder.

in : the path that `eval.data` gives
out: records (dictionaries)
invariant: a file that breaks is named with its line; a record that lacks a field is named with the field.
"""

import gzip
import json
from pathlib import Path

from contracts.errors import InputError
from eval.seeds import sample_generator

ENDINGS = ("", ".gz")


def file_called(path: Path, names: tuple[str, ...]) -> Path:
    """`path` where it is a file, else the file of its folder (or of `data` in it) that has one of the names.

    A name may also be followed by `.gz`. Raises InputError that lists the names.
    """
    if path.is_file():
        return path
    for folder in (path, path / "data"):
        for name in (name + ending for name in names for ending in ENDINGS):
            if (folder / name).is_file():
                return folder / name
    raise InputError(f"{path}: none of {', '.join(names)} is here; put the published file into this folder")


def published_text(path: Path) -> str:
    """The text of a plain or gzipped file."""
    try:
        if path.suffix == ".gz":
            return gzip.decompress(path.read_bytes()).decode("utf-8")
        return path.read_text(encoding="utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error}); fetch it again") from None


def json_records(path: Path) -> list[dict]:
    """The records of a file of JSON lines, or of one JSON list."""
    text = published_text(path)
    if text.lstrip().startswith("["):
        return json_value(path, text)
    # Not splitlines: it also cuts at U+2028 and the like, which JSON strings may hold.
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    return [json_value(path, line, f" line {number}") for number, line in lines]


def json_value(path: Path, text: str, where: str = ""):
    """The value that `text` spells in JSON; InputError that names the file and the place."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}{where}: not valid JSON ({error.msg}); fetch the file again") from None


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
