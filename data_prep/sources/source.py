"""What every source offers: files to hash, shards of work in a fixed order, and the records of a shard.

Invariant: shards and the records in them depend on the corpus alone, never on how a folder happens to be
listed, on the number of workers, or on the locale. A record that cannot be read comes out as a BadRecord, in its
place among the others: whether that ends the run is not the source's to decide.
"""

import codecs
import importlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from contracts.errors import InputError
from data_prep.settings import CorpusSettings

Spans = tuple[tuple[int, int], ...]
RECORD_EXCERPT = 1_000_000  # bytes of a bad record that are kept beside its reason
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Document:
    """One document as published: its line ends are still its own."""

    id: str
    text: str
    where: str = field(default="", compare=False)  # file, and line where it has several


@dataclass(frozen=True)
class Sample:
    """One question with its passages, and the answer that is learned."""

    id: str
    prompt: str
    answer: str
    evidence: Spans | None  # the supporting passages as half-open spans of the prompt; None: not known
    language: str | None = None
    characters: int = 0  # of the record's passages, question and answer as published
    dropped_characters: Mapping[str, int] = field(default_factory=dict)  # {reason: characters}
    where: str = ""  # file and line
    question: tuple[int, int] | None = None  # the span of the prompt that asks; None: not known
    context: Spans = ()  # the long text as spans of the prompt; no chunk of it crosses from one to the next

    @property
    def text(self) -> str:
        """All of it, for a tokenizer to learn from."""
        return f"{self.prompt}\n{self.answer}"


@dataclass(frozen=True)
class Drill:
    """A generated text and the parts of it that are learned."""

    id: str
    text: str
    answers: Spans  # half-open spans of the text that are learned; one at the end of the text learns to stop too
    evidence: Spans  # spans that the answers rest on
    where: str = ""


@dataclass(frozen=True)
class BadRecord:
    """A record that cannot be used: where it lies, why, and what to do."""

    where: str  # file and line, e.g. corpus/a.jsonl line 7
    reason: str  # a few words that the manifest counts under
    detail: str  # what exactly is wrong
    cure: str
    content: bytes = b""  # the record, or its beginning

    def error(self) -> InputError:
        """The one line that ends a run."""
        return InputError(f"{self.where}: {self.detail}; {self.cure}")


@dataclass(frozen=True)
class Part:
    """A piece of a file: bytes [begin, end) of lines, or row groups [begin, end); None: to the end of the file."""

    path: Path
    size: int  # bytes
    begin: int = 0
    end: int | None = None
    first: int = 1  # number of its first record in the file

    @property
    def is_whole(self) -> bool:
        """Whether this is all of the file."""
        return self.first == 1 and self.end is None


@dataclass(frozen=True)
class Shard:
    """A unit of work that becomes one tokens file: some parts of files, in order."""

    number: int
    parts: tuple[Part, ...]


class Source(Protocol):
    """A corpus that can be opened again in another process (sources are pickled)."""

    name: str  # what the `source` column says, e.g. pg19/train
    root: Path  # the folder that file names are relative to
    facts: dict[str, int]  # counts worth a line in the manifest, e.g. metadata lines without a book

    def files(self) -> Sequence[Path]:
        """Every file that the records are read from, in order."""

    def shards(self, size: int) -> Sequence[Shard]:
        """The work in order, about `size` bytes of source each, in whole records."""

    def records(self, shard: Shard) -> Iterator[Document | Sample | Drill | BadRecord]:
        """The records of one shard in order."""


def open_source(corpus: CorpusSettings, split: str) -> Source:
    """The split `split` of a corpus; InputError where it is not there."""
    return importlib.import_module(f"data_prep.sources.{corpus.source}").open_source(corpus, split)


def shards_of_parts(parts: Iterable[Part], size: int) -> list[Shard]:
    """Cut `parts` into runs of about `size` bytes: a run ends with the part that reaches it."""
    runs: list[list[Part]] = []
    room = 0
    for part in parts:
        if room <= 0:
            runs.append([])
            room = size
        runs[-1].append(part)
        room -= part.size
    return [Shard(number, tuple(run)) for number, run in enumerate(runs)]


def regular_file(path: Path) -> Path:
    """`path`; InputError where it is no file that can be read, or its name is no text (it would be an id)."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError:
        name = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise InputError(f"{name}: the name is not UTF-8; rename it") from None
    if path.is_file():
        return path
    kind = "a link to nothing" if path.is_symlink() and not path.exists() else "no regular file"
    raise InputError(f"{path}: {kind}; restore or remove it")


def whole_files(files: Iterable[Path]) -> list[Part]:
    """Each file as one part."""
    return [Part(path, path.stat().st_size) for path in files]


def read_document(path: Path, name: str, most_bytes: int) -> Document | BadRecord:
    """A file as one document, line ends untouched; a BadRecord where it is empty, too long or not UTF-8."""
    size = path.stat().st_size
    if size > most_bytes:
        return too_long(str(path), size, most_bytes)
    content = path.read_bytes()
    if not content:
        return BadRecord(str(path), "empty file", "empty file", "fetch it again or remove it")
    try:
        # A byte-order mark is how the file is written, and no part of its text.
        return Document(name, content.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return not_utf8(f"{path} line {line}", content, error)


def not_utf8(where: str, content: bytes, error: UnicodeDecodeError) -> BadRecord:
    """The complaint about bytes that are no text."""
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    detail = "the text is UTF-16" if is_utf16 else f"byte 0x{error.object[error.start]:02X} is not UTF-8"
    return BadRecord(where, "not UTF-8", detail, "save the file as UTF-8 or fetch it again", content[:RECORD_EXCERPT])


def reason_of(error: ValueError | RecursionError) -> str:
    """What json found wrong, in a few words (a whole number of thousands of digits is no JSONDecodeError)."""
    if isinstance(error, RecursionError):
        return "nested too deep"
    return getattr(error, "msg", "a number with too many digits")


def too_long(where: str, size: int, most_bytes: int, content: bytes = b"") -> BadRecord:
    """The complaint about a record that would not fit into memory."""
    needed = -(-size // MEGABYTE)
    detail = f"a record of {size:,} bytes is longer than max_record_megabytes {most_bytes // MEGABYTE}"
    cure = f"split it, or set max_record_megabytes to {needed} or more"
    return BadRecord(where, "longer than max_record_megabytes", detail, cure, content[:1000])


def with_line_ends(text: str, line_ends: str) -> str:
    """`lf`: CRLF and lone CR become LF, as Python's text mode reads them; `keep`: untouched."""
    if line_ends == "keep" or "\r" not in text:
        return text
    return text.replace("\r\n", "\n").replace("\r", "\n")
