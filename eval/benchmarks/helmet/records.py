"""HELMET's data folder: which file a task reads, and which of its records.

A file that is absent or broken is one line that names it.
"""

from pathlib import Path

from contracts.errors import InputError
from contracts.manifest import describe_files
from eval.building.build_context import BuildContext
from eval.building.record_files import ENDINGS, each_record

DATA = "helmet"


def data_files(context: BuildContext, name: str) -> list[Path]:
    """FOLDER/name in whichever of the endings is there, or its numbered Parquet shards; a name may have its ending."""
    folder = context.data(DATA)
    for ending in ("", *ENDINGS):
        if (path := folder / f"{name}{ending}").is_file():
            return [path]
    shards = sorted(folder.glob(f"{name}-*-of-*.parquet"))
    if shards:
        return shards
    raise InputError(
        f"helmet {context.task}: no {folder / name} ({' '.join(ENDINGS)}); unpack HELMET's data into eval.data.helmet"
    )


def data_file(context: BuildContext, name: str) -> Path:
    """The same, where the data set is one file."""
    return data_files(context, name)[0]


def has_file(context: BuildContext, name: str) -> bool:
    """Whether the data folder is given and has the file in one of the endings."""
    if not context.has(DATA):
        return False
    folder = context.data(DATA)
    return any((folder / f"{name}{ending}").is_file() for ending in ("", *ENDINGS))


def read_records(*paths: Path) -> list[dict]:
    """Every record of the files."""
    return [record for path in paths for record in each_record(path)]


def described(*paths: Path) -> dict:
    """{file: {sha256, bytes}} of what a cell was made from, for its manifest."""
    return {DATA: describe_files(list(paths))}


def chosen(context: BuildContext, records: list[dict], count: int) -> list[dict]:
    """At most `count` of the records, drawn by the cell's own generator; the first k do not depend on `count`."""
    order = list(range(len(records)))
    context.generator("choice").shuffle(order)
    return [records[index] for index in order[:count]]
