"""Cutting long text: piece by piece the ids are those of the library on the whole; where that may fail, no cut."""

import io
from pathlib import Path

import pytest
import sentencepiece
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, models, normalizers, pre_tokenizers

from contracts.text_pieces import PIECE, SPACE_MARK, pieces_of, words_stand_alone
from contracts.tokenizer import Tokenizer, load_tokenizer
from tests.contracts.conftest import LINES
from tests.real_records import REAL_RECORDS

PUBLISHED = REAL_RECORDS / "tokenizers"
BOOKS = Path(__file__).resolve().parents[2] / "resources" / "pg19"
PIECE_LIST = ["▁", "a", "b", "▁a", "ab", "▁ab", "▁▁"]
MERGES = [("▁", "a"), ("a", "b"), ("▁a", "b"), ("▁", "▁")]

fragments = st.sampled_from(
    ["the ", "  ", " \n", "\n\n ", "\r\n", "\t", "1859", " a", "---", "▁", " ▁", "</s> ", "é", "中 ", "\U0001f600 "]
)
texts = st.lists(st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), fragments)).map("".join)


def trained(path: Path, **changes: object) -> Tokenizer:
    """A small sentencepiece model with other settings than the defaults of this project."""
    model = io.BytesIO()
    settings = {
        "model_type": "bpe",
        "vocab_size": 360,
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "minloglevel": 2,
    }
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(LINES), model_writer=model, **(settings | changes))
    (path / "tokenizer.model").write_bytes(model.getvalue())
    return load_tokenizer(path)


@pytest.fixture(scope="module", params=["with a prefix", "without a prefix", "without byte fallback"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    changes = {
        "with a prefix": {"add_dummy_prefix": True},
        "without a prefix": {"add_dummy_prefix": False, "allow_whitespace_only_pieces": True},
        "without byte fallback": {"byte_fallback": False, "vocab_size": 60},
    }
    return trained(tmp_path_factory.mktemp("model"), **changes[request.param])


def made(path: Path, **changes: object) -> Tokenizer:
    """A tokenizer.json in the way of sentencepiece, with other parts where they are given."""
    marks = normalizers.Replace(" ", SPACE_MARK)
    parts = {"pieces": PIECE_LIST, "normalizer": marks, "pre_tokenizer": None, "added": [], "model": {}} | changes
    vocabulary = {piece: token for token, piece in enumerate(["<unk>", *parts["pieces"]])}
    bpe = models.BPE(vocab=vocabulary, merges=MERGES, unk_token="<unk>", fuse_unk=True, **parts["model"])
    tokenizer = tokenizers.Tokenizer(bpe)
    tokenizer.normalizer = parts["normalizer"]
    if parts["pre_tokenizer"]:
        tokenizer.pre_tokenizer = parts["pre_tokenizer"]
    tokenizer.add_tokens(parts["added"])
    tokenizer.save(str(path / "tokenizer.json"))
    return load_tokenizer(path)


def prefixed() -> normalizers.Normalizer:
    return normalizers.Sequence([normalizers.Prepend(SPACE_MARK), normalizers.Replace(" ", SPACE_MARK)])


def same_in_pieces(tokenizer: Tokenizer, text: str) -> bool:
    """Whether the ids of the pieces, cut wherever it is allowed, are those of the whole."""
    found = [token for piece in pieces_of(text, tokenizer.cut, 0) for token in tokenizer.encode(piece)]
    return found == tokenizer.encode(text)


@given(text=texts)
def test_a_sentencepiece_model_gives_the_ids_of_the_whole(model: Tokenizer, text: str) -> None:
    assert model.cut
    assert same_in_pieces(model, text)


@given(text=st.one_of(texts, st.text("ab ▁\n")))
@pytest.mark.parametrize("normalizer", [normalizers.Replace(" ", SPACE_MARK), prefixed()], ids=["marks", "prefix"])
def test_a_tokenizer_json_gives_the_ids_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, normalizer: normalizers.Normalizer, text: str
) -> None:
    tokenizer = made(tmp_path_factory.mktemp("json"), normalizer=normalizer)
    assert tokenizer.cut
    assert same_in_pieces(tokenizer, text)


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published tokenizers are not on this machine")
@pytest.mark.parametrize("name", ["llama2/tokenizer.model", "mistral/tokenizer.model.v1", "open_llama"])
def test_published_tokenizers_give_a_book_the_ids_of_the_whole(name: str) -> None:
    tokenizer = load_tokenizer(PUBLISHED / name)
    text = sorted((BOOKS / "validation").glob("*.txt"))[0].read_text(encoding="utf-8")[:200_000]
    assert same_in_pieces(tokenizer, text)
    assert len(pieces_of(text, tokenizer.cut)) > 40
    assert tokenizer.encode_array(text).tolist() == tokenizer.encode(text)


@given(text=texts, size=st.integers(0, 20))
def test_pieces_are_the_text_and_no_longer_than_asked_and_a_word(model: Tokenizer, text: str, size: int) -> None:
    pieces = pieces_of(text, model.cut, size)
    joint = " " if trains_prefix(model) else ""
    assert joint.join(pieces) == text
    for piece in pieces[:-1]:
        assert len(piece) > size
        assert model.cut.search(f"{piece} x", size).start() == len(piece) - 1


def trains_prefix(model: Tokenizer) -> bool:
    return model.processor.id_to_piece(model.encode("a")[0]).startswith(SPACE_MARK)


def test_text_without_spaces_and_short_text_stay_whole(model: Tokenizer) -> None:
    assert pieces_of("a" * 3 * PIECE, model.cut) == ["a" * 3 * PIECE]
    assert pieces_of("it was", model.cut) == ["it was"]
    assert pieces_of("it was " * PIECE, None) == ["it was " * PIECE]


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "unigram", "vocab_size": 290},
        {"normalization_rule_name": "nmt_nfkc"},
        {"remove_extra_whitespaces": True},
        {"treat_whitespace_as_suffix": True},
        {"split_by_whitespace": False, "vocab_size": 420},
    ],
    ids=str,
)
def test_a_model_whose_words_depend_on_each_other_is_never_cut(tmp_path: Path, changes: dict) -> None:
    assert trained(tmp_path, **changes).cut is None


@pytest.mark.parametrize(
    "changes",
    [
        {"normalizer": normalizers.NFC()},
        {"pre_tokenizer": pre_tokenizers.Metaspace()},
        {"pieces": [*PIECE_LIST, "a▁"]},
        {"model": {"ignore_merges": True}},
        {"added": [AddedToken("b a", special=False)]},
    ],
    ids=str,
)
def test_a_tokenizer_json_whose_words_depend_on_each_other_is_never_cut(tmp_path: Path, changes: dict) -> None:
    assert made(tmp_path, **changes).cut is None


def test_words_stand_alone_where_marks_only_begin_pieces() -> None:
    assert words_stand_alone(PIECE_LIST)
    assert not words_stand_alone([*PIECE_LIST, "a▁b"])
    assert not words_stand_alone(["a", "▁a"])
