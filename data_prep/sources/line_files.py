"""The lines of .jsonl, .jsonl.gz and .jsonl.zst files, one at a time and never more than a limit in memory.

in : a Part of a file, the most bytes of a line      out: (line number, bytes) of each line, or a BadRecord
Invariants: plain files are cut into parts at line ends, so that any number of processes read one of them; a line
that is too long is passed over without being held; a damaged compressed file is told with the line from which on
it is lost.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from data_prep.sources.source import BadRecord, Part, too_long

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
BLOCK = 1 << 20
COMPRESSED_BLOCK = 1 << 16  # decompressed bytes; what is whole in the last block of a cut off file is lost with it


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
