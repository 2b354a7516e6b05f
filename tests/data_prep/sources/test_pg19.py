"""PG-19's layout: an order of its own, and one line for everything that is wrong with a folder."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InputError
from data_prep.settings import CorpusSettings
from data_prep.sources.source import open_source, with_line_ends


def ids(source: object, size: int) -> list[str]:
    return [document.id for shard in source.shards(size) for document in source.records(shard)]


def test_books_come_by_ascending_number_however_they_were_written(
    books: Path, books_written_in_another_order: Path
) -> None:
    (books / "train" / "10.txt").write_text("ten")
    assert ids(open_source(CorpusSettings(path=str(books)), "train"), 10**9) == ["1", "2", "3", "4", "5", "6", "10"]
    assert ids(open_source(CorpusSettings(path=str(books_written_in_another_order)), "train"), 10**9) == list("123456")


@given(size=st.integers(1, 20_000))
def test_shards_of_any_size_hold_every_book_once_and_in_order(size: int) -> None:
    source = open_source(CorpusSettings(path=str(Path(__file__).resolve().parents[3] / "resources" / "pg19")), "train")
    shards = source.shards(size * 100)
    assert [shard.number for shard in shards] == list(range(len(shards)))
    assert [part.path for shard in shards for part in shard.parts] == list(source.files())


def test_metadata_lines_without_a_book_are_counted(books: Path) -> None:
    assert open_source(CorpusSettings(path=str(books)), "train").facts == {
        "metadata_lines_without_a_book": 1,
        "books_without_a_metadata_line": 0,
    }
    (books / "metadata.csv").unlink()
    assert open_source(CorpusSettings(path=str(books)), "train").facts["books_without_a_metadata_line"] == 6


@given(text=st.text(st.sampled_from("ab\r\n\x0b\x85\u2028")))
def test_line_ends_are_read_as_pythons_text_mode_reads_them(text: str) -> None:
    assert with_line_ends(text, "lf") == io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8").read()
    assert with_line_ends(text, "keep") == text


def break_utf8(books: Path) -> None:
    (books / "train" / "3.txt").write_bytes(b"fine\r\nfine\r\ncaf\xe9\r\n")


def break_empty(books: Path) -> None:
    (books / "train" / "3.txt").write_bytes(b"")


def break_metadata(books: Path) -> None:
    with open(books / "metadata.csv", "a") as handle:
        handle.write("100,only two fields\n")


def break_metadata_twice(books: Path) -> None:
    with open(books / "metadata.csv", "a") as handle:
        handle.write("3,Book,1859,http://example.org/3\n")


def break_splits(books: Path) -> None:
    (books / "test" / "3.txt").write_bytes(b"leaked")


def break_split_folder(books: Path) -> None:
    for path in (books / "train").iterdir():
        path.unlink()
    (books / "train").rmdir()


def break_books(books: Path) -> None:
    for path in (books / "train").iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("breaking", "fragments"),
    [
        (break_utf8, ["train/3.txt line 3", "0xE9 is not UTF-8", "save the file as UTF-8"]),
        (break_empty, ["train/3.txt: empty file", "remove it"]),
        (break_metadata, ["metadata.csv line 9", "2 fields"]),
        (break_metadata_twice, ["metadata.csv line 9", "book 3 is listed twice"]),
        (break_splits, ["train/3.txt", "test/3.txt"]),
        (break_split_folder, ["train: no such folder", "the splits here are: test"]),
        (break_books, ["no ID.txt files here"]),
    ],
)
def test_a_broken_corpus_is_refused_in_one_line_and_leaves_nothing_behind(
    data_prep: Callable,
    refused: Callable,
    books: Path,
    tokenizer_folder: Path,
    breaking: Callable,
    fragments: list[str],
) -> None:
    breaking(books)
    output = books.parent / "tokens"
    words = ("--input", books, "--output", output)
    assert refused(data_prep("tokenize", *words, "--tokenizer", tokenizer_folder), *fragments)
    assert refused(data_prep("tokenizer", *words, "--vocab-size", 400), *fragments)
    assert not output.exists()


def test_a_missing_corpus_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder; name the folder that holds train/"):
        open_source(CorpusSettings(path=str(tmp_path / "absent")), "train")
