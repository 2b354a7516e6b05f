"""What every source offers: files to hash, shards of work in a fixed order, and the documents of a shard.

Invariant: shards and the documents in them depend on the corpus alone, never on how a folder happens to be
listed, on the number of workers, or on the locale.
"""

import importlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from contracts.errors import InputError

SOURCES = ("pg19",)


@dataclass(frozen=True)
class Document:
    """One document as published: its line ends are still its own."""

    id: str
    text: str


@dataclass(frozen=True)
class Shard:
    """A unit of work that becomes one tokens file: some files of the source, in order."""

    number: int
    files: tuple[Path, ...]


class Source(Protocol):
    """A corpus that can be opened again in another process (sources are pickled)."""

    name: str  # what the `source` column says, e.g. pg19/train
    root: Path  # the folder that file names are relative to
    facts: dict[str, int]  # counts worth a line in the manifest, e.g. metadata lines without a book

    def files(self) -> Sequence[Path]:
        """Every file that the documents are read from, in order."""

    def shards(self, size: int) -> Sequence[Shard]:
        """The work in order, about `size` bytes of source each, in whole documents."""

    def documents(self, shard: Shard) -> Iterator[Document]:
        """The documents of one shard in order; InputError names the file, the line and the cure."""


def open_source(kind: str, path: Path, split: str) -> Source:
    """The source of format `kind` at `path`; InputError where it is not there."""
    return importlib.import_module(f"data_prep.sources.{kind}").open_source(path, split)


def shards_of_files(files: Iterable[Path], size: int) -> list[Shard]:
    """Cut `files` into runs of about `size` bytes: a run ends with the file that reaches it."""
    runs: list[list[Path]] = []
    room = 0
    for path in files:
        if room <= 0:
            runs.append([])
            room = size
        runs[-1].append(path)
        room -= path.stat().st_size
    return [Shard(number, tuple(run)) for number, run in enumerate(runs)]


def read_text(path: Path) -> str:
    """A file's text, line ends untouched; InputError names the line of what is not UTF-8, and empty files."""
    content = path.read_bytes()
    if not content:
        raise InputError(f"{path}: empty file; fetch it again or remove it")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise InputError(
            f"{path} line {line}: byte 0x{byte:02X} is not UTF-8; save the file as UTF-8 or fetch it again"
        ) from None


def with_line_ends(text: str, line_ends: str) -> str:
    """`lf`: CRLF and lone CR become LF, as Python's text mode reads them; `keep`: untouched."""
    if line_ends == "keep" or "\r" not in text:
        return text
    return text.replace("\r\n", "\n").replace("\r", "\n")
