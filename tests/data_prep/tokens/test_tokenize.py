"""Tokenizing: nothing lost, the same bytes whatever the circumstances, and no shard done twice."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from contracts.token_files import TokensReader
from contracts.tokenizer import load_tokenizer
from data_prep.commands import tokenize as tokenize_command

REPOSITORY = Path(__file__).resolve().parents[3]
BOOKS = REPOSITORY / "resources" / "pg19"


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def as_a_process(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m data_prep WORDS...` under another environment."""
    return subprocess.run(
        [sys.executable, "-m", "data_prep", *(str(word) for word in words)],
        cwd=REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_document_is_its_text_in_tokens_with_eos(
    books: Path, tokens_folder: Path, tokenizer_folder: Path
) -> None:
    tokenizer, reader = load_tokenizer(tokenizer_folder), TokensReader(tokens_folder)
    assert [reader.id(index) for index in range(len(reader))] == list("123456")
    assert reader.source(0) == "pg19/train"
    for index in range(len(reader)):
        text = (books / "train" / f"{index + 1}.txt").read_text(encoding="utf-8")  # reads CRLF as LF
        assert reader.tokens(index).tolist() == [*tokenizer.encode(text), 2]
        assert reader.lengths[index] == len(reader.tokens(index))


def test_line_ends_bos_and_eos_are_choices(
    data_prep: Callable, books: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    words = ("--input", books, "--tokenizer", tokenizer_folder, "--output", tmp_path / "t")
    assert data_prep("tokenize", *words, "--line-ends", "keep", "--bos", "--no-eos").code == 0
    text = (books / "train" / "2.txt").read_bytes().decode()
    assert TokensReader(tmp_path / "t").tokens(1).tolist() == [1, *load_tokenizer(tokenizer_folder).encode(text)]


def test_the_manifest_accounts_for_every_document_character_and_token(books: Path, tokens_folder: Path) -> None:
    counts = json.loads((tokens_folder / "manifest.json").read_text())["counts"]
    texts = [path.read_bytes().decode() for path in (books / "train").iterdir()]
    returns = sum(text.count("\r\n") for text in texts)
    assert counts["characters"] == {
        "in": sum(map(len, texts)),
        "out": sum(map(len, texts)) - returns,
        "dropped": {"CR of CRLF line ends": returns},
    }
    assert counts["documents"] == {"in": 6, "out": 6, "dropped": {}}
    assert counts["tokens"]["added"] == 6
    assert counts["tokens"]["out"] == TokensReader(tokens_folder).lengths.sum() == counts["tokens"]["text"] + 6
    assert counts["source"] == {"metadata_lines_without_a_book": 1, "books_without_a_metadata_line": 0}


def test_the_manifest_names_no_place_of_this_machine(tokens_folder: Path) -> None:
    assert str(tokens_folder.parent) not in (tokens_folder / "manifest.json").read_text()


def test_several_shards_and_processes_give_the_same_files_as_one_process(
    data_prep: Callable, tokenizer_folder: Path, tmp_path: Path
) -> None:
    words = ("tokenize", "--input", BOOKS, "--tokenizer", tokenizer_folder, "--settings", '{"shard_megabytes": 1}')
    for workers in (1, 2):
        assert data_prep(*words, "--workers", workers, "--output", tmp_path / str(workers)).code == 0
    assert content(tmp_path / "1") == content(tmp_path / "2")
    assert len(list((tmp_path / "1").glob("*.arrow"))) == 3


def test_a_killed_run_goes_on_from_its_finished_shards(
    data_prep: Callable, tokenizer_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, settings = tmp_path / "tokens", '{"shard_megabytes": 1}'
    words = ("tokenize", "--input", BOOKS, "--tokenizer", tokenizer_folder, "--settings", settings, "--workers", 1)
    real = tokenize_command.tokenize_shard
    done = []

    def killed_in_the_second_shard(job: object, tokenizer: object, shard: object) -> int:
        if shard.number == 1:
            (job.folder / "tokens-00001.arrow.tmp-1").write_bytes(b"half")  # what kill -9 leaves
            raise KeyboardInterrupt
        return real(job, tokenizer, shard)

    monkeypatch.setattr(tokenize_command, "tokenize_shard", killed_in_the_second_shard)
    with pytest.raises(KeyboardInterrupt):
        data_prep(*words, "--output", output)
    assert not output.exists()
    monkeypatch.setattr(tokenize_command, "tokenize_shard", lambda *job: done.append(real(*job)) or done[-1])
    assert data_prep(*words, "--output", output).code == 0
    assert done == [1, 2]
    monkeypatch.setattr(tokenize_command, "tokenize_shard", real)
    assert data_prep(*words, "--output", tmp_path / "uninterrupted").code == 0
    assert content(output) == content(tmp_path / "uninterrupted")
    assert not output.with_name("tokens.partial").exists()


def test_shards_of_other_settings_are_not_kept(tmp_path: Path) -> None:
    folder = tmp_path / "tokens.partial"
    tokenize_command.keep_only_if_made_alike(folder, {"eos": True})
    (folder / "tokens-00000.arrow").write_bytes(b"shard")
    tokenize_command.keep_only_if_made_alike(folder, {"eos": True})
    assert (folder / "tokens-00000.arrow").exists()
    tokenize_command.keep_only_if_made_alike(folder, {"eos": False})
    assert not (folder / "tokens-00000.arrow").exists()


def test_a_second_run_replaces_the_first_as_a_whole(
    data_prep: Callable, books: Path, tokens_folder: Path, tokenizer_folder: Path
) -> None:
    (books / "train" / "6.txt").unlink()
    words = ("--input", books, "--tokenizer", tokenizer_folder, "--output", tokens_folder)
    outcome = data_prep("tokenize", *words)
    assert outcome.code == 0
    assert len(TokensReader(tokens_folder)) == 5
    assert "2 metadata lines without a book" in outcome.err


def test_a_tokenizer_without_bos_is_refused_where_bos_is_wanted(
    data_prep: Callable, refused: Callable, books: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "tokenizer.json").write_bytes((tokenizer_folder / "tokenizer.json").read_bytes())
    words = ("--input", books, "--tokenizer", tmp_path / "tokenizer.json", "--output", tmp_path / "t")
    assert refused(data_prep("tokenize", *words, "--bos", "--no-eos"), "has no BOS token", "set bos: false")
    assert data_prep("tokenize", *words, "--no-eos").code == 0


def test_a_broken_tokenizer_is_refused(data_prep: Callable, refused: Callable, books: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"broken")
    words = ("--input", books, "--tokenizer", tmp_path / "tokenizer.model", "--output", tmp_path / "t")
    assert refused(data_prep("tokenize", *words), "tokenizer.model: not a sentencepiece model")


def test_an_output_that_cannot_be_written_is_refused(
    data_prep: Callable, refused: Callable, books: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    words = ("--input", books, "--tokenizer", tokenizer_folder, "--output", tmp_path / "file" / "tokens")
    assert refused(data_prep("tokenize", *words), "cannot be written", "choose another place")


def test_a_failure_in_a_worker_process_is_the_same_one_line(
    books: Path, tokenizer_folder: Path, tmp_path: Path
) -> None:
    (books / "train" / "7.txt").write_bytes(b"x" * 1_100_000)
    (books / "train" / "8.txt").write_bytes(b"fine\r\ncaf\xe9")
    words = ("--input", books, "--tokenizer", tokenizer_folder, "--output", tmp_path / "t", "--workers", 2)
    outcome = as_a_process("tokenize", *words, "--settings", '{"shard_megabytes": 1}')
    assert outcome.returncode == 2
    assert outcome.stderr == (
        f"error: {books}/train/8.txt line 2: byte 0xE9 is not UTF-8; save the file as UTF-8 or fetch it again\n"
    )


def test_two_documents_with_one_id_are_refused(tokens_folder: Path, data_prep: Callable, refused: Callable) -> None:
    first = tokens_folder / "tokens-00000.arrow"
    (tokens_folder / "tokens-00001.arrow").write_bytes(first.read_bytes())
    manifest = json.loads((tokens_folder / "manifest.json").read_text())
    manifest["outputs"]["tokens-00001.arrow"] = manifest["outputs"]["tokens-00000.arrow"]
    (tokens_folder / "manifest.json").write_text(json.dumps(manifest))
    assert refused(data_prep("verify", tokens_folder), "two documents have the id 1")


def test_tokens_are_views_of_the_memory_map(tokens_folder: Path) -> None:
    before = pa.total_allocated_bytes()
    view = TokensReader(tokens_folder).tokens(3, 2, 10)
    assert pa.total_allocated_bytes() == before
    assert (len(view), view.flags.owndata, view.flags.writeable) == (8, False, False)
