"""verify finds any change to a folder; inspect shows what is really in it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.packs import PackReader
from contracts.token_files import TokensReader


@pytest.mark.parametrize("kind", ["tokenizer_folder", "tokens_folder", "packs_folder"])
def test_a_folder_as_it_was_made_verifies(data_prep: Callable, kind: str, request: pytest.FixtureRequest) -> None:
    outcome = data_prep("verify", request.getfixturevalue(kind))
    assert (outcome.code, outcome.err) == (0, "")


@pytest.mark.parametrize("kind", ["tokens_folder", "packs_folder"])
def test_one_changed_bit_is_found(
    data_prep: Callable, refused: Callable, kind: str, request: pytest.FixtureRequest
) -> None:
    path = sorted(request.getfixturevalue(kind).glob("*.arrow"))[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert refused(data_prep("verify", path.parent), f"{path.name}: sha256", "make the folder again")


def test_the_mark_that_snakemake_leaves_in_a_folder_is_no_file_too_many(
    data_prep: Callable, tokens_folder: Path
) -> None:
    (tokens_folder / ".snakemake_timestamp").touch()
    assert data_prep("verify", tokens_folder).code == 0


def test_a_file_too_many_is_found(data_prep: Callable, refused: Callable, tokens_folder: Path) -> None:
    (tokens_folder / "notes.txt").write_text("mine")
    assert refused(data_prep("verify", tokens_folder), "files", "notes.txt")


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("tokens_folder", ("tokens", "out")),
        ("tokens_folder", ("documents", "out")),
        ("tokens_folder", ("characters", "in")),
        ("packs_folder", ("tokens", "in")),
        ("packs_folder", ("tokens", "out")),
        ("packs_folder", ("rows",)),
        ("packs_folder", ("segments",)),
        ("packs_folder", ("padding_tokens",)),
    ],
)
def test_a_count_that_is_off_by_one_is_found(
    data_prep: Callable, refused: Callable, kind: str, keys: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(kind)
    manifest = json.loads((folder / "manifest.json").read_text())
    counts = manifest["counts"]
    for key in keys[:-1]:
        counts = counts[key]
    counts[keys[-1]] += 1
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert refused(data_prep("verify", folder), keys[0])


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_a_folder_of_somebody_else_is_refused(
    data_prep: Callable, refused: Callable, tmp_path: Path, command: str
) -> None:
    assert refused(data_prep(command, tmp_path / "absent"), "no such folder")
    assert refused(data_prep(command, tmp_path), "an empty folder; name one that data_prep made")
    (tmp_path / "something").write_text("else")
    assert refused(data_prep(command, tmp_path), "no manifest")
    (tmp_path / "something").unlink()
    (tmp_path / "manifest.json").write_text(
        '{"stage": "train", "outputs": {}, "counts": {}, "settings": {}, "settings_sha256": '
        '"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}'
    )
    assert refused(data_prep(command, tmp_path), "'train'", "tokenizer, tokenize, mix, augment, pack")


def test_inspecting_tokens_shows_lengths_and_the_beginning_of_a_document(
    data_prep: Callable, tokens_folder: Path, tokenizer_folder: Path
) -> None:
    words = ("inspect", tokens_folder, "--row", 2, "--tokenizer", tokenizer_folder)
    found = json.loads(data_prep(*words, "--json").out)
    lengths = TokensReader(tokens_folder).lengths
    assert (found["documents"], found["tokens"]) == (6, lengths.sum())
    assert sum(entry["count"] for entry in found["document_lengths"]["histogram"]) == 6
    assert (found["document_lengths"]["min"], found["document_lengths"]["max"]) == (lengths.min(), lengths.max())
    assert found["sample"]["begin"].startswith("It was the best of times")
    assert found["sample"]["end"].endswith("</s>")
    summary = data_prep(*words).out
    assert "document 3 of pg19/train" in summary
    assert "It was the best of times" in summary


def test_inspecting_packs_shows_padding_and_the_segments_of_a_row(
    data_prep: Callable, packs_folder: Path, tokenizer_folder: Path
) -> None:
    reader = PackReader(packs_folder)
    several = next(number for number, row in enumerate(reader) if len(row.segment_tokens) > 1)
    words = ("inspect", packs_folder, "--row", several, "--tokenizer", tokenizer_folder)
    found = json.loads(data_prep(*words, "--json").out)
    tokens = sum(int(row.segment_tokens.sum()) for row in reader)
    assert found["padding_share"] == pytest.approx(1 - tokens / (64 * len(reader)))
    segments = found["sample"]["segments"]
    assert [segment["document"] for segment in segments] == reader.row(several).segment_documents
    assert [segment["tokens"] for segment in segments] == reader.row(several).segment_tokens.tolist()
    assert sum(segment["tokens"] + segment["padding"] for segment in segments) == 64
    first = segments[0]
    assert first["supervised_spans"] == [[1, first["tokens"]]]
    summary = data_prep(*words).out
    assert f"row {several}:" in summary
    assert f"of document {segments[1]['document']}" in summary


def test_inspecting_a_tokenizer_shows_how_it_cuts_a_probe(data_prep: Callable, tokenizer_folder: Path) -> None:
    found = json.loads(data_prep("inspect", tokenizer_folder, "--json").out)
    assert (found["vocab_size"], found["bos_id"], found["eos_id"]) == (420, 1, 2)
    assert "".join(found["probe"]["pieces"]).replace("<0x0A>", "\n") == found["probe"]["text"]
    assert "<0x0A>" in data_prep("inspect", tokenizer_folder).out


def test_the_runs_own_tokenizer_is_found_beside_the_tokens(
    data_prep: Callable, tokens_folder: Path, tokenizer_folder: Path
) -> None:
    assert json.loads(data_prep("inspect", tokens_folder, "--json").out)["sample"]["begin"].split()[0].isdigit()
    beside = tokens_folder.parent / "tokenizer"
    beside.mkdir()
    for path in tokenizer_folder.iterdir():
        (beside / path.name).write_bytes(path.read_bytes())
    assert json.loads(data_prep("inspect", tokens_folder, "--json").out)["sample"]["begin"].startswith("It was")


def test_another_tokenizer_and_an_absent_row_are_refused(
    data_prep: Callable, refused: Callable, books: Path, packs_folder: Path, tmp_path: Path
) -> None:
    assert data_prep("tokenizer", "--input", books, "--vocab-size", 400, "--output", tmp_path / "other").code == 0
    outcome = data_prep("inspect", packs_folder, "--tokenizer", tmp_path / "other")
    assert refused(outcome, "not the tokenizer of", "name the one that made it")
    assert refused(data_prep("inspect", packs_folder, "--row", 10_000), "no row 10000", "counted from 0")
