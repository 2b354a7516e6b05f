"""The Tokenizer interface: the same promises from every file format."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InputError
from contracts.tokenizer import Tokenizer, copy_tokenizer, load_tokenizer, tokenizer_files
from tests.real_records import REAL_RECORDS

PUBLISHED = REAL_RECORDS / "tokenizers"
AWKWARD = "  two  spaces\ttab\r\nCRLF \n\n café \U0001f600 \x00 \ufeff <s></s><unk> 1234 -----"

# U+2581 is how sentencepiece itself writes a space: the one character that it cannot give back.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u2581"), max_size=60)
mixtures = st.lists(st.one_of(texts, st.sampled_from(["  ", "\n", "\r\n", "\t", "the ", "</s>", "é", "\U0001f600"])))


@pytest.fixture(scope="session")
def tokenizer(tokenizer_file: Path) -> Tokenizer:
    return load_tokenizer(tokenizer_file)


@given(parts=mixtures)
def test_decoding_what_was_encoded_gives_the_text_back(tokenizer: Tokenizer, parts: list[str]) -> None:
    text = "".join(parts)
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(parts=mixtures)
def test_text_never_becomes_a_special_token_and_ids_stay_in_the_vocabulary(
    tokenizer: Tokenizer, parts: list[str]
) -> None:
    ids = tokenizer.encode("".join(parts) + "<s></s><|eot_id|>")
    assert not set(ids) & set(tokenizer.special_tokens.values())
    assert all(0 <= token < tokenizer.vocab_size for token in ids)


@given(batch=st.lists(texts, max_size=4))
def test_all_ways_to_encode_give_the_same_ids(tokenizer: Tokenizer, batch: list[str]) -> None:
    one_by_one = [tokenizer.encode(text) for text in batch]
    assert tokenizer.encode_batch(batch) == one_by_one
    assert [tokenizer.encode_array(text).tolist() for text in batch] == one_by_one
    assert [tokenizer.encode_with_offsets(text)[0] for text in batch] == one_by_one


@given(parts=mixtures)
def test_offsets_cover_the_text_from_left_to_right_without_gaps(tokenizer: Tokenizer, parts: list[str]) -> None:
    text = "".join(parts)
    ids, offsets = tokenizer.encode_with_offsets(text)
    assert len(ids) == len(offsets)
    covered = 0
    for begin, end in offsets:
        assert begin <= covered  # a byte of a character spans the whole character again
        assert begin < end <= len(text)
        covered = max(covered, end)
    assert covered == len(text)


def test_offsets_of_whole_word_pieces_spell_those_pieces(tokenizer: Tokenizer) -> None:
    text = "it was the age of wisdom"
    ids, offsets = tokenizer.encode_with_offsets(text)
    assert [text[begin:end] for begin, end in offsets] == [tokenizer.piece(token) for token in ids]


def test_every_byte_of_an_emoji_spans_the_emoji(tokenizer: Tokenizer) -> None:
    ids, offsets = tokenizer.encode_with_offsets("a\U0001f600b")
    assert len(ids) == 6
    assert offsets == [(0, 1), (1, 2), (1, 2), (1, 2), (1, 2), (2, 3)]
    assert [tokenizer.piece(token) for token in ids[1:5]] == ["<0xF0>", "<0x9F>", "<0x98>", "<0x80>"]


def test_special_tokens_have_names_and_leave_no_trace_in_text(tokenizer: Tokenizer) -> None:
    eos = tokenizer.eos_id
    assert tokenizer.piece(eos) in ("</s>", "<|end_of_text|>")
    assert tokenizer.special_tokens[tokenizer.piece(eos)] == eos
    assert tokenizer.decode([*tokenizer.encode("it was"), eos]) == "it was"


def test_a_special_token_that_its_file_marks_as_normalized_leaves_no_trace_either(huggingface_file, tmp_path) -> None:
    described = json.loads(huggingface_file.read_text())
    for token in described["added_tokens"]:
        token["normalized"] = True
    described["normalizer"] = {"type": "Prepend", "prepend": "_"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(described))
    tokenizer = load_tokenizer(tmp_path)
    ids = tokenizer.encode("it was")
    assert "<s>" in tokenizer.tokenizer.decode([0, *ids])
    assert tokenizer.decode([0, *ids, 1]) == tokenizer.decode(ids)


def test_bos_is_none_where_no_file_names_it(huggingface_file: Path) -> None:
    assert load_tokenizer(huggingface_file).bos_id is None


def test_a_folder_a_copy_and_the_file_itself_are_the_same_tokenizer(tokenizer_file: Path, tmp_path: Path) -> None:
    (copy,) = [file for file in copy_tokenizer(tokenizer_file, tmp_path) if file.name == tokenizer_file.name]
    assert load_tokenizer(tokenizer_file.parent).digest == load_tokenizer(tokenizer_file).digest
    assert load_tokenizer(copy).encode(AWKWARD) == load_tokenizer(tokenizer_file).encode(AWKWARD)
    assert {file.name for file in tokenizer_files(tmp_path)} == {file.name for file in tokenizer_files(tokenizer_file)}


def test_a_model_under_another_name_is_copied_to_the_name_that_transformers_looks_for(
    sentencepiece_file: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "llama.model.v3"
    odd.write_bytes(sentencepiece_file.read_bytes())
    assert [file.name for file in copy_tokenizer(odd, tmp_path)] == ["tokenizer.model"]


@pytest.mark.parametrize("name", ["tokenizer.model", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"not a tokenizer", b"{}", b"\xff\xfe\x00"])
def test_a_broken_file_is_named_in_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        load_tokenizer(tmp_path)


def test_an_empty_folder_and_an_absent_path_say_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tokenizer\.model or tokenizer\.json"):
        load_tokenizer(tmp_path)
    with pytest.raises(InputError, match="no such tokenizer"):
        load_tokenizer(tmp_path / "absent")


def test_a_broken_companion_file_is_named_with_its_line(huggingface_file: Path, tmp_path: Path) -> None:
    copy_tokenizer(huggingface_file, tmp_path)
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token":\n oops}')
    with pytest.raises(InputError, match=r"tokenizer_config\.json line 2"):
        load_tokenizer(tmp_path)


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published tokenizers are not on this machine")
@pytest.mark.parametrize(
    ("name", "vocab_size", "bos", "eos"),
    [
        ("llama2/tokenizer.model", 32000, 1, 2),
        ("mistral/mistral_instruct_tokenizer_240323.model.v3", 32768, 1, 2),
        ("open_llama", 32001, 1, 2),
        ("llama3/tokenizer.model", 128256, 128000, 128001),
    ],
)
def test_published_tokenizers_keep_their_vocabulary_and_special_ids(
    name: str, vocab_size: int, bos: int, eos: int
) -> None:
    tokenizer = load_tokenizer(PUBLISHED / name)
    assert (tokenizer.vocab_size, tokenizer.bos_id, tokenizer.eos_id) == (vocab_size, bos, eos)
    assert not {bos, eos} & set(tokenizer.encode(AWKWARD))
    assert tokenizer.decode(tokenizer.encode("the cat\r\n  sat \U0001f600")) == "the cat\r\n  sat \U0001f600"
