"""The books of the repository are the published ones, byte for byte."""

import csv
import hashlib
import re
from pathlib import Path

import pytest

from data_prep.settings import CorpusSettings
from data_prep.sources.source import open_source

BOOKS = Path(__file__).resolve().parents[3] / "resources" / "pg19"
ROW = re.compile(r"^\| (\w+) \| (\d+) \|.*\| (\d+) \| ([0-9a-f]{64}) \|$", re.MULTILINE)


def listed() -> dict[str, tuple[int, str]]:
    """{split/ID.txt: (bytes, sha256)} as SOURCES.md states them (the official checksums of PG-19)."""
    rows = ROW.findall((BOOKS / "SOURCES.md").read_text(encoding="utf-8"))
    return {f"{split}/{book}.txt": (int(size), digest) for split, book, size, digest in rows}


def test_every_book_has_the_size_and_hash_that_sources_md_states() -> None:
    found = {}
    for path in BOOKS.glob("*/*.txt"):
        content = path.read_bytes()
        found[path.relative_to(BOOKS).as_posix()] = (len(content), hashlib.sha256(content).hexdigest())
    assert found == listed()


def test_metadata_lists_the_carried_books_and_no_others() -> None:
    with open(BOOKS / "metadata.csv", encoding="utf-8", newline="") as handle:
        ids = {row[0] for row in csv.reader(handle)}
    assert ids == {Path(name).stem for name in listed()}


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_every_split_opens_without_a_complaint(split: str) -> None:
    source = open_source(CorpusSettings(path=str(BOOKS)), split)
    assert not any(source.facts.values())
    for shard in source.shards(10**9):
        for document in source.records(shard):
            # CRLF survived git; a printed line has fewer than 100 characters, so a long book has thousands.
            assert document.text.count("\r\n") == document.text.count("\n") > len(document.text) / 100
            assert document.text.endswith("*** ")


def test_the_test_books_hold_enough_text_to_measure_on() -> None:
    assert sum(size for name, (size, _) in listed().items() if name.startswith("test/")) > 250_000
