"""The benchmarks' published files: found by their names, checked for their fields, all records or some.

in : the path that `eval.data` gives: a file, or a folder that holds one of the published names
out: the file; records
invariant: a record that lacks a field is named with the field.
"""

from pathlib import Path

from contracts.errors import InputError
from eval.building.seeds import sample_generator

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
