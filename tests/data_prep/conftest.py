"""A small corpus in the PG-19 layout, a tokenizer trained on it, and a way to run commands as people do."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from contracts import command_line
from data_prep.__main__ import COMMANDS

SENTENCES = (
    "It was the best of times, it was the worst of times,\r\n",
    "    it was the age of wisdom,   it was the age of foolishness --- 1859\r\n",
    "\r\n\r\n\tna\u00efve caf\u00e9 \u201cquoted\u201d: the years 1775 and 1859 \U0001f600\r\n",
    "we were all going direct to Heaven, we were all going direct the other way.\r\n*** ",
)


class Outcome(NamedTuple):
    """What a command did: its exit code and what it printed."""

    code: int
    out: str
    err: str


def book(number: int) -> bytes:
    """A book of about 100 x number^2 bytes, so that lengths differ."""
    return "".join(SENTENCES[(number * k + k // 3) % 4] for k in range(2 * number * number)).encode()


def write_books(root: Path, order: list[int]) -> Path:
    """Train books 1 to 6, written in `order`, and test book 70; metadata.csv lists them and one that is absent."""
    (root / "train").mkdir(parents=True)
    (root / "test").mkdir()
    for number in order:
        (root / "train" / f"{number}.txt").write_bytes(book(number))
    (root / "test" / "70.txt").write_bytes(book(7))
    lines = [f'{number},"Book, the {number}th",1859,http://example.org/{number}\n' for number in (*range(1, 7), 70, 99)]
    (root / "metadata.csv").write_text("".join(lines), encoding="utf-8")
    return root


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """A corpus of one's own, to be broken at will."""
    return write_books(tmp_path / "books", [1, 2, 3, 4, 5, 6])


@pytest.fixture
def books_written_in_another_order(tmp_path: Path) -> Path:
    """The same corpus, whose files were created in another order."""
    return write_books(tmp_path / "others" / "books", [5, 2, 6, 1, 4, 3])


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of 420 tokens trained on the small corpus by the command."""
    root = tmp_path_factory.mktemp("tokenizer")
    corpus = write_books(root / "books", [1, 2, 3, 4, 5, 6])
    words = f"tokenizer --input {corpus} --vocab-size 420 --output {root / 'tokenizer'}".split()
    assert command_line.main("data_prep", COMMANDS, words) == 0
    return root / "tokenizer"


@pytest.fixture
def data_prep(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs `data_prep WORDS...` in this process."""

    def run(*words: object) -> Outcome:
        capsys.readouterr()
        code = command_line.main("data_prep", COMMANDS, [str(word) for word in words])
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def tokens_folder(data_prep: Callable, books: Path, tokenizer_folder: Path, tmp_path: Path) -> Path:
    """The small corpus as tokens."""
    output = tmp_path / "tokens"
    assert data_prep("tokenize", "--input", books, "--tokenizer", tokenizer_folder, "--output", output).code == 0
    return output


@pytest.fixture
def packs_folder(data_prep: Callable, tokens_folder: Path, tmp_path: Path) -> Path:
    """The small corpus as rows of 64 tokens, aligned to 4."""
    output = tmp_path / "packs"
    assert data_prep("pack", "--input", tokens_folder, "--length", 64, "--align", 4, "--output", output).code == 0
    return output


def refused(outcome: Outcome, *fragments: str) -> bool:
    """Whether a command refused its input as people are promised: exit code 2, one line, naming the fragments."""
    one_line = outcome.err.startswith("error: ") and outcome.err.count("\n") == 1
    return outcome.code == 2 and one_line and all(fragment in outcome.err for fragment in fragments)


@pytest.fixture(name="refused")
def refused_fixture() -> Callable[..., bool]:
    """See `refused`."""
    return refused


TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}[{{ message.role }}]\n{{ message.content | trim }}"
    "{{ eos_token }}\n{% endfor %}"
)


@pytest.fixture
def chat_folder(tokenizer_folder: Path, tmp_path: Path) -> Path:
    """The small tokenizer with a chat template beside it."""
    folder = tmp_path / "chat"
    folder.mkdir()
    for path in tokenizer_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder
