"""The trained tokenizer: the same bytes every time, nothing lost, and the same ids in transformers."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.tokenizer import Tokenizer, load_tokenizer
from data_prep.settings import CorpusSettings, TokenizerSettings
from data_prep.sources.source import Document, open_source, with_line_ends
from data_prep.tokenizer import training as training
from data_prep.tokenizer.huggingface import PROBES
from tests.real_records import REAL_RECORDS

BOOKS = Path(__file__).resolve().parents[3] / "resources" / "pg19"
PUBLISHED = REAL_RECORDS / "tokenizers"

# U+2581 is how sentencepiece itself writes a space: the one character that it cannot give back.
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\u2581")
fragments = st.sampled_from(
    ["  ", "      ", "\n\n", "\r\n", "\t", " the", "aaaa", "-----", "...", "1859", "</s>", "\x00"]
)
texts = st.lists(st.one_of(st.text(characters, max_size=8), fragments), max_size=20).map("".join)


@pytest.fixture(scope="module")
def book_tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of 2,048 tokens trained on two of the carried books."""
    from contracts import command_line
    from data_prep.__main__ import COMMANDS

    output = tmp_path_factory.mktemp("books") / "tokenizer"
    words = f"tokenizer --input {BOOKS} --split test --vocab-size 2048 --output {output}".split()
    assert command_line.main("data_prep", COMMANDS, words) == 0
    return output


@pytest.fixture(scope="module")
def both(book_tokenizer_folder: Path) -> tuple[Tokenizer, transformers.PreTrainedTokenizerBase]:
    """The same folder read by this project and by transformers."""
    return load_tokenizer(book_tokenizer_folder), transformers.AutoTokenizer.from_pretrained(book_tokenizer_folder)


def carried_books() -> list[Document]:
    source = open_source(CorpusSettings(path=str(BOOKS)), "validation")
    return [document for shard in source.shards(10**9) for document in source.records(shard)]


@settings(max_examples=200)
@given(text=texts)
def test_any_text_survives_encoding_and_decoding(both: tuple, text: str) -> None:
    ours, _ = both
    assert ours.decode(ours.encode(text)) == text


@settings(max_examples=200)
@given(text=texts)
def test_transformers_gives_the_same_ids_and_the_same_text(both: tuple, text: str) -> None:
    ours, theirs = both
    ids = ours.encode(text)
    assert theirs(text).input_ids == ids
    assert theirs.decode(ids) == text


@settings(max_examples=200)
@given(text=st.text(st.sampled_from("ab e-t\n"), max_size=40))
def test_transformers_breaks_ties_in_repetitions_alike(both: tuple, text: str) -> None:
    ours, theirs = both
    assert theirs(text).input_ids == ours.encode(text)


@pytest.mark.parametrize("line_ends", ["lf", "keep"])
def test_transformers_gives_the_same_ids_on_a_whole_book(both: tuple, line_ends: str) -> None:
    ours, theirs = both
    for document in carried_books():
        text = with_line_ends(document.text, line_ends)
        assert theirs(text).input_ids == ours.encode(text)
        assert ours.decode(ours.encode(text)) == text


def test_transformers_agrees_beside_a_models_config_too(book_tokenizer_folder: Path, tmp_path: Path) -> None:
    for path in book_tokenizer_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ours = load_tokenizer(tmp_path)
    assert [theirs(text).input_ids for text in PROBES] == [ours.encode(text) for text in PROBES]
    assert (theirs.bos_token_id, theirs.eos_token_id, theirs.unk_token_id) == (1, 2, 0)


def test_both_files_of_the_folder_are_the_same_tokenizer(book_tokenizer_folder: Path) -> None:
    model = load_tokenizer(book_tokenizer_folder / "tokenizer.model")
    exported = load_tokenizer(book_tokenizer_folder / "tokenizer.json")
    assert (model.vocab_size, model.bos_id, model.eos_id) == (exported.vocab_size, exported.bos_id, exported.eos_id)
    assert [model.piece(token) for token in range(model.vocab_size)] == [
        exported.piece(token) for token in range(model.vocab_size)
    ]


def test_digits_and_newlines_are_tokens_of_their_own(both: tuple) -> None:
    ours, _ = both
    assert [ours.piece(token) for token in ours.encode("1859\n\n")] == ["1", "8", "5", "9", "<0x0A>", "<0x0A>"]
    assert (ours.vocab_size, ours.bos_id, ours.eos_id) == (2048, 1, 2)


@pytest.mark.parametrize("threads", [1, 4])
def test_training_gives_the_same_pieces_for_any_order_and_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, threads: int
) -> None:
    wanted = TokenizerSettings(vocab_size=1000)
    texts = [document.text for document in carried_books()]
    reference = training.train_sentencepiece(texts, wanted, "lf")
    monkeypatch.setattr(training, "THREADS", threads)
    again = training.train_sentencepiece(texts[0].split("\n")[::-1], wanted, "lf")
    if threads == 1:
        assert again == reference
    models = []
    for name, content in (("a.model", reference), ("b.model", again)):
        (tmp_path / name).write_bytes(content)
        models.append(load_tokenizer(tmp_path / name).processor)
    assert [(models[0].id_to_piece(k), models[0].get_score(k)) for k in range(1000)] == [
        (models[1].id_to_piece(k), models[1].get_score(k)) for k in range(1000)
    ]


def test_the_folder_is_the_same_however_the_books_were_written(
    data_prep: Callable, books: Path, books_written_in_another_order: Path, tmp_path: Path
) -> None:
    outputs = []
    for number, corpus in enumerate((books, books_written_in_another_order)):
        outputs.append(tmp_path / f"tokenizer-{number}")
        assert data_prep("tokenizer", "--input", corpus, "--vocab-size", 420, "--output", outputs[-1]).code == 0
    first, second = ({path.name: path.read_bytes() for path in output.iterdir()} for output in outputs)
    assert set(first) == {"tokenizer.model", "tokenizer.json", "tokenizer_config.json", "manifest.json"}
    assert first == second


def test_a_limit_of_characters_reads_only_so_many(books: Path) -> None:
    texts = ["x" * 60, "y" * 60, "z" * 60]
    assert list(training.training_lines(texts, 100, "lf")) == ["x" * 60, "y" * 60]
    assert list(training.training_lines(texts, None, "lf")) == ["x" * 60, "y" * 60, "z" * 60]


def test_too_little_text_says_to_lower_the_vocabulary(
    data_prep: Callable, refused: Callable, books: Path, tmp_path: Path
) -> None:
    outcome = data_prep("tokenizer", "--input", books, "--vocab-size", 30_000, "--output", tmp_path / "t")
    assert refused(outcome, "cannot make 30000 tokens", "lower vocab_size")


def test_a_given_tokenizer_is_taken_in_whole_and_its_place_is_not_recorded(
    data_prep: Callable, tokenizer_folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "taken"
    outcome = data_prep("tokenizer", "--tokenizer", tokenizer_folder / "tokenizer.model", "--output", output)
    assert outcome.code == 0
    assert load_tokenizer(output).digest == load_tokenizer(tokenizer_folder).digest
    assert (output / "tokenizer.json").read_bytes() == (tokenizer_folder / "tokenizer.json").read_bytes()
    assert str(tmp_path.parent) not in (output / "manifest.json").read_text()


@pytest.mark.parametrize(
    ("words", "fragments"),
    [
        ([], ["nothing to train on", "--input FOLDER"]),
        (["--tokenizer", "absent.model"], ["absent.model: no such tokenizer"]),
        (["--settings", '{"vocab": 500}'], ["vocab", "known keys: path"]),
        (["--input", "absent"], ["absent: no such folder"]),
        (["--input", "absent", "--vocab-size", "5"], ["vocab_size", "greater than or equal to 360"]),
    ],
)
def test_bad_arguments_are_refused_in_one_line(
    data_prep: Callable, refused: Callable, tmp_path: Path, words: list[str], fragments: list[str]
) -> None:
    assert refused(data_prep("tokenizer", *words, "--output", tmp_path / "t"), *fragments)
    assert not (tmp_path / "t").exists()


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published tokenizers are not on this machine")
@pytest.mark.parametrize(
    "name", ["llama2/tokenizer.model", "mistral/mistral_instruct_tokenizer_240323.model.v3", "llama3"]
)
def test_published_tokenizers_work_in_transformers(data_prep: Callable, tmp_path: Path, name: str) -> None:
    assert data_prep("tokenizer", "--tokenizer", PUBLISHED / name, "--output", tmp_path / "t").code == 0
    ours, theirs = load_tokenizer(tmp_path / "t"), transformers.AutoTokenizer.from_pretrained(tmp_path / "t")
    samples = [*PROBES, *(document.text[:50_000] for document in carried_books())]
    plain = [text for text in samples if "<|" not in text]
    assert [theirs(text).input_ids for text in plain] == [ours.encode(text) for text in plain]
    own = theirs.backend_tokenizer
    own.encode_special_tokens = True
    assert [own.encode(text, add_special_tokens=False).ids for text in samples] == [
        ours.encode(text) for text in samples
    ]


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published tokenizers are not on this machine")
def test_a_unigram_model_is_kept_without_a_tokenizer_json_and_says_so(data_prep: Callable, tmp_path: Path) -> None:
    output = tmp_path / "t"
    outcome = data_prep("tokenizer", "--tokenizer", PUBLISHED / "tiny_spm" / "test_model.model", "--output", output)
    assert outcome.code == 0
    assert "AutoTokenizer will not load it" in outcome.err
    assert not (output / "tokenizer.json").exists()
