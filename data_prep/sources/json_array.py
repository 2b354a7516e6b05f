"""The objects of one JSON array (as LongAlpaca-12k.json is published), one at a time, from any size of file.

in : the path of a .json file, the most bytes of an object      out: (number, text) of each object, or a BadRecord
Invariant: memory holds one object and one block; a break is told with the number of the object.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from data_prep.sources.source import MEGABYTE, BadRecord, not_utf8, too_long

BLOCK = 1 << 20
DECODER = json.JSONDecoder()


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

    def skip(self, characters: str) -> str:
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
    cure = "fetch the file again"
    if (start := array.skip("\ufeff")) != "[":
        if start:
            yield BadRecord(str(path), "broken JSON", "not a JSON array of records", cure)
        return
    array.text = array.text[1:]
    number = 1
    while (start := array.skip("," if number > 1 else "")) != "]":
        where = f"{path} record {number}"
        if not start:
            yield BadRecord(where, "broken JSON", "the array is cut off", cure)
            return
        found = element(array, most_bytes)
        if found is None:
            longer = len(array.text) > most_bytes
            bad = too_long(where, len(array.text), most_bytes, array.text[:1000].encode()) if longer else None
            yield bad or BadRecord(
                where, "broken JSON", "not valid JSON from here on", cure, array.text[:1000].encode()
            )
            return
        yield number, found[0]
        array.text = array.text[found[1] :]
        number += 1


def element(array: ArrayText, most_bytes: int) -> tuple[object, int] | None:
    """The value that the text begins with and its length; None where it breaks or goes on beyond `most_bytes`."""
    while True:
        try:
            return DECODER.raw_decode(array.text)
        except json.JSONDecodeError:
            if len(array.text) > max(most_bytes, MEGABYTE) or not array.more():
                return None
