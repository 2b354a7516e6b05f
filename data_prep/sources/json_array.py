"""The objects of one JSON array (as LongAlpaca-12k.json is published), one at a time, from any size of file.

in : the path of a .json file, the most bytes of an object      out: (number, text) of each object, or a BadRecord
Invariant: memory holds one object and one block; a break is told with the number of the object.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from data_prep.sources.source import MEGABYTE, BadRecord, not_utf8, reason_of, too_long

BLOCK = 1 << 20
DECODER = json.JSONDecoder()
CURE = "correct it or fetch the file again"


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
