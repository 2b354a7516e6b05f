"""The records of JSON files of any size, one at a time: lines (.jsonl, .jsonl.gz, .jsonl.zst), or one array (.json).

in : a Part of a file of lines, or the path of an array, and the most bytes of a record
out: (line number, bytes) of each line, (number, value) of each element of an array, or a BadRecord
Invariants: memory holds one record and one block. Plain files of lines are cut into parts at line ends, so that any
number of processes read one of them; a line that is too long is passed over without being held; a damaged compressed
file is told with the line from which on it is lost. A break of an array (LongAlpaca-12k.json is one) is told with the
number of the element.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from data_prep.sources.source import MEGABYTE, BadRecord, Part, not_utf8, reason_of, too_long

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
BLOCK = 1 << 20
COMPRESSED_BLOCK = 1 << 16  # decompressed bytes; what is whole in the last block of a cut off file is lost with it

DECODER = json.JSONDecoder()
CURE = "correct it or fetch the file again"


def line_parts(path: Path, size: int) -> list[Part]:
    """A file of lines in parts of about `size` bytes that end with lines; a compressed file is one part."""
    whole = Part(path, path.stat().st_size)
    if path.suffix in COMPRESSIONS or whole.size <= size:
        return [whole]
    parts, begin, first, lines, place = [], 0, 1, 0, 0
    with open(path, "rb") as handle:
        while block := handle.read(BLOCK):
            start = 0
            while (cut := block.find(b"\n", max(start, begin + size - 1 - place))) >= 0:
                lines += block.count(b"\n", start, cut + 1)
                start = cut + 1
                parts.append(Part(path, place + start - begin, begin, place + start, first))
                begin, first = place + start, lines + 1
            lines += block.count(b"\n", start)
            place += len(block)
    if begin < place:
        parts.append(Part(path, place - begin, begin, place, first))
    return parts


def read_lines(part: Part, most_bytes: int) -> Iterator[tuple[int, bytes] | BadRecord]:
    """(number in the file, content) of each line that is not blank."""
    number = part.first
    compression = COMPRESSIONS.get(part.path.suffix)
    with open_binary(part.path, compression) as handle:
        handle.seek(part.begin) if part.begin else None
        left = None if part.end is None else part.end - part.begin
        while left is None or left > 0:
            where = f"{part.path} line {number}"
            try:
                line = handle.readline(most_bytes + 1)
                size = len(line) + (skip_line(handle) if len(line) > most_bytes and line[-1:] != b"\n" else 0)
            except OSError as error:
                if not compression:
                    raise
                detail = f"{str(error).splitlines()[0]} (damaged or cut off {compression} file)"
                yield BadRecord(where, "damaged compressed file", detail, "fetch the file again")
                return
            if not line:
                return
            if len(line) > most_bytes:
                yield too_long(where, size, most_bytes, line)
            elif not line.isspace():
                yield number, line
            left = None if left is None else left - size
            number += 1


def open_binary(path: Path, compression: str | None) -> BinaryIO:
    """The (decompressed) bytes of a file."""
    if compression is None:
        return open(path, "rb")
    return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path)), compression), COMPRESSED_BLOCK)


def skip_line(handle: BinaryIO) -> int:
    """Read to the end of the line in pieces; the bytes passed over."""
    skipped = 0
    while piece := handle.readline(BLOCK):
        skipped += len(piece)
        if piece.endswith(b"\n"):
            break
    return skipped


class ArrayText:
    """The text of a file from some place on; grows by blocks on demand and forgets what was read."""

    def __init__(self, path: Path) -> None:
        self.handle = open(path, encoding="utf-8", newline="")  # noqa: SIM115 (closed by its owner)
        self.text = ""
        self.ended = False

    def more(self) -> bool:
        """Read another block; whether there was one."""
        block = self.handle.read(max(BLOCK, len(self.text)))
        self.text += block
        self.ended = not block
        return not self.ended

    def take(self, characters: int) -> None:
        """Forget so many characters that were read."""
        self.text = self.text[characters:]

    def skip(self, characters: str = "") -> str:
        """Drop leading whitespace and `characters`; the first character that is neither ("" at the end)."""
        while True:
            self.text = self.text.lstrip(" \t\r\n" + characters)
            if self.text or not self.more():
                return self.text[:1]


def read_array(path: Path, most_bytes: int) -> Iterator[tuple[int, object] | BadRecord]:
    """(number from 1, value) of each element."""
    array = ArrayText(path)
    with array.handle:
        try:
            yield from elements(array, path, most_bytes)
        except UnicodeDecodeError as error:
            yield not_utf8(str(path), error.object, error)


def elements(array: ArrayText, path: Path, most_bytes: int) -> Iterator[tuple[int, object] | BadRecord]:
    """The elements between the brackets; a BadRecord, and no more, where the text breaks."""
    if (start := array.skip("\ufeff")) != "[":
        if start:
            yield BadRecord(str(path), "broken JSON", "not a JSON array of records", CURE)
        return
    array.take(1)
    number, following = 1, array.skip()
    while following != "]":
        where = f"{path} record {number}"
        parsed = element(array, where, most_bytes)
        if isinstance(parsed, BadRecord):
            yield parsed
            return
        yield number, parsed[0]
        array.take(parsed[1])
        following = array.skip()
        if following == ",":
            array.take(1)
        elif following != "]":
            yield broken(array, f"{where}, after it", "no comma and no end of the array")
            return
        number += 1
    array.take(1)
    if array.skip():
        yield broken(array, str(path), "text after the end of the array")


def broken(array: ArrayText, where: str, detail: str) -> BadRecord:
    """The complaint about text that is no JSON array; what follows is lost with it."""
    detail = detail if array.text else "the array is cut off"
    return BadRecord(where, "broken JSON", detail, CURE, array.text[:1000].encode())


def element(array: ArrayText, where: str, most_bytes: int) -> tuple[object, int] | BadRecord:
    """The value that the text begins with and its length; a BadRecord where it breaks or is beyond `most_bytes`."""
    array.skip()
    while True:
        try:
            return DECODER.raw_decode(array.text)
        except json.JSONDecodeError:
            if len(array.text) > max(most_bytes, MEGABYTE):
                return too_long(where, len(array.text), most_bytes, array.text[:1000].encode())
            if not array.more():
                return broken(array, where, "not valid JSON from here on")
        except (ValueError, RecursionError) as error:
            return broken(array, where, f"not valid JSON ({reason_of(error)}) from here on")
