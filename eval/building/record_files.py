"""Files of records as they are published: JSON lines (plain or gzip), JSON, Parquet.

out: dictionaries, in the order of the file
invariant: a file that is broken is one line that names it; a Parquet file is never in memory as a whole.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from contracts.errors import InputError

ENDINGS = (".jsonl", ".jsonl.gz", ".json", ".parquet")
RECORDS_AT_A_TIME = 16


def record_files(path: Path) -> list[Path]:
    """A file, or the files of records in a folder, by name."""
    if path.is_file():
        return [path]
    found = sorted(file for file in path.iterdir() if file.name.endswith(ENDINGS))
    if not found:
        raise InputError(f"{path}: holds no file of records ({' '.join(ENDINGS)}); put the published file there")
    return found


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
            found = json.loads(path.read_text(encoding="utf-8"))
            yield from found["data"] if isinstance(found, dict) else found
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
