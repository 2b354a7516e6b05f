"""Records of published files: JSON lines (plain or gzip), JSON, Parquet, in the data folder of HELMET.

Every reader gives a list of dictionaries in the order of the file; a file that is absent or broken is one line that
names it.
"""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from contracts.errors import InputError
from contracts.manifest import describe_files
from eval.build_context import BuildContext

RECORDS_AT_A_TIME = 16
ENDINGS = (".jsonl", ".jsonl.gz", ".json", ".parquet")
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


def each_record(path: Path, columns: tuple[str, ...] | None = None) -> Iterator[dict]:
    """The records of a file one after the other; of a .json file its list, or the list under `data`.

    `columns` spares a Parquet file the reading of the others.
    """
    try:
        if path.suffix == ".parquet":
            # pyarrow takes a second to import, and most tasks read text.
            from pyarrow import parquet

            for batch in parquet.ParquetFile(path).iter_batches(RECORDS_AT_A_TIME, columns=columns):
                yield from batch.to_pylist()
        elif path.suffix == ".json":
            found = json.loads(path.read_text(encoding="utf-8"))
            yield from found["data"] if isinstance(found, dict) else found
        else:
            with gzip.open(path, "rt", "utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8") as lines:
                yield from (json.loads(line) for line in lines if line.strip())
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: cannot be read ({error}); fetch the file again") from None


def described(*paths: Path) -> dict:
    """{file: {sha256, bytes}} of what a cell was made from, for its manifest."""
    return {DATA: describe_files(list(paths))}


def chosen(context: BuildContext, records: list[dict], count: int) -> list[dict]:
    """At most `count` of the records, drawn by the cell's own generator; the first k do not depend on `count`."""
    order = list(range(len(records)))
    context.generator("choice").shuffle(order)
    return [records[index] for index in order[:count]]
