import pytest

from contracts.errors import InputError
from eval.building.books import read_books


def test_crlf_is_read_as_lf_and_books_come_in_the_order_of_their_numbers(books_folder, book_text):
    books = read_books(books_folder, "test")
    assert [book.identity for book in books] == ["9", "10"]
    assert books[1].text + books[0].text == book_text


def test_a_folder_without_books_is_told_with_its_cure(tmp_path, books_folder):
    with pytest.raises(InputError, match="--split"):
        read_books(books_folder, "absent")
    (tmp_path / "test").mkdir()
    with pytest.raises(InputError, match=r"ID\.txt"):
        read_books(tmp_path, "test")


def test_a_book_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "1.txt").write_bytes(b"abc\xff")
    with pytest.raises(InputError, match=r"1\.txt.*byte 3"):
        read_books(tmp_path, "test")
