"""PG-19 in its published layout: SPLIT/ID.txt (UTF-8, CRLF) and metadata.csv (id,title,date,url; no header row).

in : the folder that holds train/, validation/, test/ and metadata.csv
out: one document per book, by ascending id
Invariants: no book lies in two splits; every line of metadata.csv has four fields and an id of its own. The
published metadata.csv lists all splits, so lines without a book here are counted, not refused.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contracts.errors import InputError
from contracts.files import existing_folder
from data_prep.settings import CorpusSettings
from data_prep.sources.source import (
    MEGABYTE,
    BadRecord,
    Document,
    Shard,
    read_document,
    regular_file,
    shards_of_parts,
    whole_files,
)

SPLITS = ("train", "validation", "test")
FIELDS = 4  # id, title, date, url


@dataclass(frozen=True)
class PG19:
    """One split of PG-19; see data_prep.sources.source.Source."""

    name: str
    root: Path
    paths: tuple[Path, ...]
    most_bytes: int
    facts: dict[str, int] = field(default_factory=dict)

    def files(self) -> Sequence[Path]:
        return self.paths

    def shards(self, size: int) -> Sequence[Shard]:
        return shards_of_parts(whole_files(self.paths), size)

    def records(self, shard: Shard) -> Iterator[Document | BadRecord]:
        for part in shard.parts:
            yield read_document(part.path, part.path.stem, self.most_bytes)


def open_source(corpus: CorpusSettings, split: str) -> PG19:
    """The split `split` of a PG-19 folder; InputError names what is missing or wrong."""
    path = Path(corpus.path)
    existing_folder(path, "name the folder that holds train/, validation/, test/ and metadata.csv")
    existing_folder(path / split, f"the splits here are: {', '.join(found_splits(path)) or 'none'}")
    books = book_files(path / split)
    if not books:
        raise InputError(f"{path / split}: no ID.txt files here; put the books of this split into it")
    refuse_books_in_two_splits(path, split, books)
    most_bytes = corpus.max_record_megabytes * MEGABYTE
    return PG19(f"pg19/{split}", path, tuple(books), most_bytes, metadata_facts(path, books))


def found_splits(path: Path) -> list[str]:
    """The names of the split folders that exist."""
    return [split for split in SPLITS if (path / split).is_dir()]


def book_files(folder: Path) -> list[Path]:
    """The books of a folder by ascending number (shorter names first, then by letters)."""
    return sorted(map(regular_file, folder.glob("*.txt")), key=lambda path: (len(path.stem), path.stem))


def refuse_books_in_two_splits(path: Path, split: str, books: list[Path]) -> None:
    """A test book that is also trained on makes every test result void."""
    names = {book.name for book in books}
    for other in found_splits(path):
        if other != split and (common := names & {book.name for book in (path / other).glob("*.txt")}):
            name = min(common)
            raise InputError(f"{path / split / name}: the same book lies in {other}/{name}; remove one of them")


def metadata_facts(path: Path, books: list[Path]) -> dict[str, int]:
    """How many lines of metadata.csv have no book in any split, and how many of `books` have no line."""
    listed = metadata_ids(path / "metadata.csv")
    present = {book.stem for split in found_splits(path) for book in (path / split).glob("*.txt")}
    return {
        "metadata_lines_without_a_book": len(listed - present),
        "books_without_a_metadata_line": len({book.stem for book in books} - listed),
    }


def metadata_ids(path: Path) -> set[str]:
    """The ids that metadata.csv lists; none where there is no such file."""
    if not path.is_file():
        return set()
    ids: set[str] = set()
    document = read_document(path, path.name, path.stat().st_size)
    if isinstance(document, BadRecord):
        raise document.error()
    reader = csv.reader(io.StringIO(document.text, newline=""))
    for row in rows_of(reader, path):
        where = f"{path} line {reader.line_num}"
        if len(row) != FIELDS:
            raise InputError(f"{where}: {len(row)} fields, expected id,title,date,url; correct the line")
        if row[0] in ids:
            raise InputError(f"{where}: book {row[0]} is listed twice; remove one of the lines")
        ids.add(row[0])
    return ids


def rows_of(reader: Iterator[list[str]], path: Path) -> Iterator[list[str]]:
    """The rows of a csv reader; InputError where it cannot go on (a quote that never ends, for example)."""
    try:
        yield from reader
    except csv.Error as error:
        raise InputError(f"{path} line {reader.line_num}: {error}; correct the quotes of the line") from None
