"""Where an output goes: full disks, places that cannot be written, and what lies there already, which is never lost."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts import files

REPOSITORY = Path(__file__).resolve().parents[3]


def test_a_full_disk_ends_in_one_line_and_the_next_run_goes_on(
    data_prep: Callable,
    refused: Callable,
    tokenizer_folder: Path,
    books: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    words = ("tokenize", "--input", books, "--tokenizer", tokenizer_folder, "--output", tmp_path / "t", "--workers", 1)
    real = files.sync_to_disk
    monkeypatch.setattr(files, "sync_to_disk", full)
    assert refused(data_prep(*words), "cannot be written (No space left on device)", "free the space")
    assert not (tmp_path / "t").exists()
    assert not list(tmp_path.glob("t.partial/*.arrow*"))
    monkeypatch.setattr(files, "sync_to_disk", real)
    assert data_prep(*words).code == 0


@pytest.mark.parametrize("command", ["tokenize", "pack"])
def test_a_file_system_without_room_ends_in_one_line(
    data_prep: Callable, tokenizer_folder: Path, books: Path, tmp_path: Path, command: str
) -> None:
    """A limit on the size of files is the nearest to a full disk that needs no rights of an administrator."""
    tokens = tmp_path / "tokens"
    assert data_prep("tokenize", "--input", books, "--tokenizer", tokenizer_folder, "--output", tokens).code == 0
    words = {
        "tokenize": ("--input", books, "--tokenizer", tokenizer_folder, "--workers", "1", "--output", tmp_path / "out"),
        "pack": ("--input", tokens, "--length", "64", "--output", tmp_path / "out"),
    }[command]
    code = (
        "import resource, signal, sys; from contracts import command_line; from data_prep.__main__ import COMMANDS;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000));"
        "sys.exit(command_line.main('data_prep', COMMANDS, sys.argv[1:]))"
    )
    command_line = [sys.executable, "-B", "-c", code, command, *map(str, words)]
    outcome = subprocess.run(command_line, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert outcome.returncode == 2, outcome.stderr
    assert outcome.stderr.startswith("error: ")
    assert outcome.stderr.count("\n") == 1
    assert "cannot be written" in outcome.stderr
    assert not (tmp_path / "out").exists()


COMMANDS = ["tokenize", "pack", "mix", "tokenizer"]


@pytest.fixture
def words_of(tokenizer_folder: Path, tokens_folder: Path, books: Path) -> dict[str, tuple]:
    """The arguments of each command but for its output."""
    few = '{"longmit": {"samples": 0}, "longalpaca": {"samples": 2}}'
    return {
        "tokenize": ("--input", books, "--tokenizer", tokenizer_folder),
        "pack": ("--input", tokens_folder, "--length", 64),
        "mix": ("--part", f"longalpaca={tokens_folder}", "--settings", few),
        "tokenizer": ("--tokenizer", tokenizer_folder),
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_below_a_file_is_refused(
    data_prep: Callable, refused: Callable, words_of: dict, tmp_path: Path, command: str
) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    output = tmp_path / "file" / "out"
    assert refused(data_prep(command, *words_of[command], "--output", output), "cannot be written", "another place")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_with_a_file_of_a_person_is_never_replaced(
    data_prep: Callable, refused: Callable, words_of: dict, tmp_path: Path, command: str
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    (output / "notes.txt").write_text("mine")
    assert refused(data_prep(command, *words_of[command], "--output", output), "holds notes.txt", "move it away")
    assert [path.name for path in output.iterdir()] == ["notes.txt"]


def test_an_earlier_output_is_replaced(data_prep: Callable, words_of: dict, tmp_path: Path) -> None:
    for command in ("tokenize", "pack", "tokenizer"):
        for _ in range(2):
            assert data_prep(command, *words_of[command], "--output", tmp_path / f"{command}-output").code == 0


def test_a_folder_of_another_purpose_is_not_taken_for_unfinished_shards(
    data_prep: Callable, refused: Callable, words_of: dict, tmp_path: Path
) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "notes.txt").write_text("mine")
    told = refused(data_prep("tokenize", *words_of["tokenize"], "--output", tmp_path / "out"), "holds notes.txt")
    assert told
    assert (tmp_path / "out.partial" / "notes.txt").is_file()
