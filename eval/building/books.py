"""Held-back books as text, from a folder in the PG-19 layout.

in : FOLDER/SPLIT/ID.txt (UTF-8; CRLF is read as LF)
invariant: the books come in the order of their ids, whatever the file system says.
"""

from dataclasses import dataclass
from pathlib import Path

from contracts.errors import InputError
from contracts.files import existing_folder
from contracts.manifest import describe_files


@dataclass(frozen=True)
class Book:
    """One book: its id (the file's stem) and its text with LF line ends."""

    identity: str
    text: str


def book_files(folder: str | Path, split: str) -> list[Path]:
    """The files of one split, ordered by id (numbers as numbers)."""
    split_folder = existing_folder(Path(folder) / split, "give --books a folder in the PG-19 layout and its --split")
    files = [path for path in split_folder.iterdir() if path.suffix == ".txt"]
    if not files:
        raise InputError(f"{split_folder}: holds no ID.txt; put the books there or choose another --split")
    return sorted(files, key=lambda path: (not path.stem.isdigit(), path.stem.zfill(20)))


def read_books(folder: str | Path, split: str) -> list[Book]:
    """Every book of one split; InputError names a file that is not UTF-8."""
    return [Book(path.stem, read_book(path)) for path in book_files(folder, split)]


def read_book(path: Path) -> str:
    """The text of one book, CRLF and lone CR read as LF."""
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}; convert the file to UTF-8") from None


def describe_books(folder: str | Path, split: str) -> dict:
    """{file name: {sha256, bytes}} of one split, for a manifest."""
    return describe_files(book_files(folder, split))
