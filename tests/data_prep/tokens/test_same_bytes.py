"""The same bytes from every source for any workers, order of files on disk, hash seed, time zone and locale."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data_prep.conftest import SENTENCES, write_books
from tests.data_prep.records import longalpaca_record, longmit_record

REPOSITORY = Path(__file__).resolve().parents[3]
HERE = {"PYTHONHASHSEED": "1", "TZ": "UTC", "LANG": "C", "LC_ALL": "C"}
ELSEWHERE = {"PYTHONHASHSEED": "77", "TZ": "Asia/Kolkata", "LANG": "tr_TR.UTF-8", "LC_ALL": "C.UTF-8"}
SETTINGS = json.dumps({"shard_megabytes": 1, "samples": {"min_tokens": 1}})
MIX = json.dumps(
    {"longmit": {"samples": 10, "validation_samples": 5}, "longalpaca": {"samples": 4, "validation_samples": 2}}
)
# Several commands in one process: the imports are most of the time of a small one.
COMMANDS = """
import json, sys
from contracts import command_line
from data_prep.__main__ import COMMANDS
for words in json.loads(sys.argv[1]):
    if code := command_line.main("data_prep", COMMANDS, words):
        sys.exit(code)
"""


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(commands: list[list[object]], environment: dict[str, str]) -> None:
    """`data_prep WORDS` for each of `commands`, in one process under another environment."""
    words = json.dumps([[str(word) for word in command] for command in commands])
    outcome = subprocess.run(
        [sys.executable, "-c", COMMANDS, words],
        cwd=REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr


def write_pg19(folder: Path, backwards: bool) -> None:
    write_books(folder, [5, 2, 6, 1, 4, 3] if backwards else [1, 2, 3, 4, 5, 6])


def write_text(folder: Path, backwards: bool) -> None:
    """Three files of text and one of records, one of them large enough for two shards."""
    texts = {f"{name}.txt": f"{name} {''.join(SENTENCES)}" for name in ("b", "a", "deep/c")}
    records = [{"text": f"{number} {SENTENCES[number % 4]}" * 200} for number in range(100)]
    texts["records.jsonl"] = "".join(json.dumps(record) + "\n" for record in records)
    write_files(folder, texts, backwards)


def write_longmit(folder: Path, backwards: bool) -> None:
    records = [longmit_record(number, 2 + number % 5, passages=300) for number in range(90)]
    write_lines(folder, records, backwards)


def write_longalpaca(folder: Path, backwards: bool) -> None:
    write_lines(folder, [longalpaca_record(number, 4000) for number in range(110)], backwards)


def write_lines(folder: Path, records: list[dict], backwards: bool) -> None:
    """The records in two files."""
    halves = {"a.jsonl": records[::2], "b.jsonl": records[1::2]}
    write_files(folder, {name: "".join(json.dumps(r) + "\n" for r in half) for name, half in halves.items()}, backwards)


def write_files(folder: Path, texts: dict[str, str], backwards: bool) -> None:
    """Files, created in one order or the other: a folder lists them as they were created, or by hashes of the disk."""
    for name in sorted(texts, reverse=backwards):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(texts[name], encoding="utf-8", newline="")


WRITERS: dict[str, Callable[[Path, bool], None]] = {
    "pg19": write_pg19,
    "text": write_text,
    "longmit": write_longmit,
    "longalpaca": write_longalpaca,
}


def tokenize(source: str, corpus: Path, tokenizer: Path, workers: int, output: Path) -> list[object]:
    words = ["tokenize", "--source", source, "--input", corpus, "--tokenizer", tokenizer, "--settings", SETTINGS]
    return [*words, "--workers", workers, "--output", output]


@pytest.mark.parametrize("source", WRITERS)
def test_tokens_do_not_know_where_and_by_how_many_they_were_made(
    chat_folder: Path, tmp_path: Path, source: str
) -> None:
    for name, workers, environment in (("first", 1, HERE), ("second", 3, ELSEWHERE)):
        corpus = tmp_path / name / "corpus"
        WRITERS[source](corpus, name == "second")
        run([tokenize(source, corpus, chat_folder, workers, tmp_path / name / "tokens")], environment)
    first, second = (content(tmp_path / name / "tokens") for name in ("first", "second"))
    assert first == second
    assert source == "pg19" or len(first) > 2  # more than one shard, or three workers would be one


def test_a_mix_and_its_packs_do_not_know_where_they_were_made(chat_folder: Path, tmp_path: Path) -> None:
    sets = ("longmit", "longalpaca")
    for dataset in sets:
        WRITERS[dataset](tmp_path / dataset, False)
    parts = [f"--part={dataset}={tmp_path / 'tokens' / dataset}" for dataset in sets]
    commands = [
        tokenize(dataset, tmp_path / dataset, chat_folder, 1, tmp_path / "tokens" / dataset) for dataset in sets
    ]
    run(commands, HERE)
    for name, environment in (("first", HERE), ("second", ELSEWHERE)):
        folder = tmp_path / name
        commands = [
            ["mix", *parts, "--settings", MIX, "--output", folder / "mix"],
            ["pack", "--input", folder / "mix", "--mode", "best-fit", "--length", 65_536, "--output", folder / "packs"],
        ]
        run(commands, environment)
    assert content(tmp_path / "first") == content(tmp_path / "second")
    assert len(content(tmp_path / "first")) == 4
