"""Tiktoken ranks: the ids of the library itself, Llama 3's special tokens, and files that are broken."""

from pathlib import Path

import pytest
import tiktoken
import tiktoken.load
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InputError
from contracts.tiktoken_tokenizer import LLAMA3_PATTERN, LONGEST_BLANK, TiktokenTokenizer, is_ranks_file, parted
from contracts.tokenizer import load_tokenizer
from tests.real_records import REAL_RECORDS

LLAMA3 = REAL_RECORDS / "tokenizers/llama3/tokenizer.model"
BOOKS = Path(__file__).resolve().parents[2] / "resources" / "pg19"
fragments = st.sampled_from(
    ["the ", "  ", "\n\n", "\r\n", "\t", "1859", "'s", "'LL", "---", "\u4e2d", "\u00e9", "\U0001f600"]
)
texts = st.lists(st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), fragments)).map("".join)


def library(path: Path) -> tiktoken.Encoding:
    """The library's own reading of a ranks file."""
    ranks = tiktoken.load.load_tiktoken_bpe(str(path))
    return tiktoken.Encoding("ranks", pat_str=LLAMA3_PATTERN, mergeable_ranks=ranks, special_tokens={})


@given(text=texts)
def test_the_ids_are_those_of_the_library(tiktoken_file: Path, text: str) -> None:
    assert load_tokenizer(tiktoken_file).encode(text) == library(tiktoken_file).encode_ordinary(text)


@pytest.mark.skipif(not LLAMA3.is_file(), reason="Llama 3's tokenizer.model is not on this machine")
def test_a_whole_book_has_the_ids_of_the_library_and_comes_back() -> None:
    tokenizer, theirs = load_tokenizer(LLAMA3), library(LLAMA3)
    text = sorted((BOOKS / "validation").glob("*.txt"))[0].read_text(encoding="utf-8")
    ids = tokenizer.encode(text)
    assert ids == theirs.encode_ordinary(text)
    assert tokenizer.decode(ids) == text
    _, offsets = tokenizer.encode_with_offsets(text)
    assert "".join(text[begin:end] for begin, end in offsets) == text


@pytest.mark.skipif(not LLAMA3.is_file(), reason="Llama 3's tokenizer.model is not on this machine")
def test_llama_3_has_its_special_tokens_at_their_published_ids() -> None:
    special = load_tokenizer(LLAMA3).special_tokens
    assert len(special) == 256
    published = {"<|begin_of_text|>": 128000, "<|end_of_text|>": 128001, "<|start_header_id|>": 128006}
    published |= {"<|end_header_id|>": 128007, "<|eom_id|>": 128008, "<|eot_id|>": 128009, "<|python_tag|>": 128010}
    published |= {"<|finetune_right_pad_id|>": 128004, "<|reserved_special_token_247|>": 128255}
    assert {name: special[name] for name in published} == published


def test_the_format_is_told_by_the_content_not_by_the_name(tiktoken_file: Path, sentencepiece_file: Path) -> None:
    assert tiktoken_file.name == sentencepiece_file.name
    assert (is_ranks_file(tiktoken_file), is_ranks_file(sentencepiece_file)) == (True, False)
    assert isinstance(load_tokenizer(tiktoken_file.parent), TiktokenTokenizer)


@pytest.mark.parametrize("blank", [" ", "\n", " \t\u00a0"])
def test_a_million_blanks_are_taken_in_parts_and_come_back(tiktoken_file: Path, blank: str) -> None:
    tokenizer = load_tokenizer(tiktoken_file)
    text = "it was" + blank * (1_000_000 // len(blank)) + "the age"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.encode_array(text).tolist() == tokenizer.encode(text)


def test_only_long_runs_of_blanks_are_parted() -> None:
    assert parted("a" * 100_000) == ["a" * 100_000]
    assert parted("a" + " " * LONGEST_BLANK + "b") == ["a" + " " * LONGEST_BLANK + "b"]
    assert [len(part) for part in parted("a" + " " * (2 * LONGEST_BLANK) + "b")] == [
        LONGEST_BLANK + 1,
        LONGEST_BLANK + 1,
    ]


def test_companion_files_choose_bos_and_eos(tiktoken_file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "tokenizer.model"
    copy.write_bytes(tiktoken_file.read_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "<|eot_id|>"}')
    tokenizer = load_tokenizer(tmp_path)
    assert tokenizer.eos_id == tokenizer.special_tokens["<|eot_id|>"]
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    with pytest.raises(InputError, match="no special token of Llama 3"):
        load_tokenizer(copy)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lines: [*lines[:5], b"oops\n", *lines[5:]], "line 6: not `base64 rank`"),
        (lambda lines: [*lines[:300], b"!!! 300\n"], "line 301: not `base64 rank`"),
        (lambda lines: lines[:200], "single bytes are missing"),
        (lambda lines: [*lines[:260], *lines[261:]], "ranks or single bytes are missing"),
    ],
)
def test_broken_ranks_are_refused_in_one_line(tiktoken_file: Path, tmp_path: Path, change: object, told: str) -> None:
    broken = tmp_path / "tokenizer.model"
    broken.write_bytes(b"".join(change(tiktoken_file.read_bytes().splitlines(keepends=True))))
    with pytest.raises(InputError, match=told):
        load_tokenizer(broken)
