"""kill -9 in the middle: nothing half-written is readable, finished shards are not redone, the bytes are the same."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data_prep.records import longalpaca_record, longmit_record, write_jsonl

REPOSITORY = Path(__file__).resolve().parents[3]


def start(*words: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "data_prep", *map(str, words)], cwd=REPOSITORY, stdout=subprocess.DEVNULL
    )


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def alive(parent: int) -> list[int]:
    """The processes whose parent was `parent`, by their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (
                f"parent_pid={parent}" in (entry / "cmdline").read_bytes().decode()
                and "State:\tZ" not in (entry / "status").read_text()
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def write_corpus(folder: Path, source: str) -> Path:
    """Some six megabytes in the published layout of a source."""
    texts = [f"{number} it was the best of times, it was the worst of times " * 400 for number in range(250)]
    if source == "pg19":
        (folder / "train").mkdir()
        for number, text in enumerate(texts):
            (folder / "train" / f"{number}.txt").write_text(text, encoding="utf-8")
        return folder
    records = {
        "text": lambda: [{"text": text} for text in texts],
        "longmit": lambda: [longmit_record(number, 3, passages=250) for number in range(250)],
        "longalpaca": lambda: [longalpaca_record(number, 4000) for number in range(250)],
    }
    return write_jsonl(folder / "a.jsonl", records[source]())


@pytest.mark.parametrize(
    ("source", "workers"), [("text", 1), ("text", 2), ("longmit", 2), ("longalpaca", 2), ("pg19", 1)]
)
def test_a_run_killed_in_the_middle_goes_on_and_gives_the_same_bytes(
    data_prep: Callable, chat_folder: Path, tmp_path: Path, source: str, workers: int
) -> None:
    path = write_corpus(tmp_path, source)
    settings = json.dumps({"shard_megabytes": 1, "samples": {"min_tokens": 1}})
    words = ("tokenize", "--source", source, "--input", path, "--tokenizer", chat_folder, "--settings", settings)
    output = tmp_path / "killed"
    process = start(*words, "--workers", workers, "--output", output)
    finished = output.with_name("killed.partial")
    while len(done := sorted(finished.glob("tokens-*.json"))) < 2:
        assert process.poll() is None, "it was over before it could be killed"
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if workers > 1:
        deadline = time.time() + 20
        while alive(process.pid):
            assert time.time() < deadline, "workers outlive the run"
            time.sleep(0.05)
    assert not output.exists()
    kept = {counts.name: counts.stat().st_mtime_ns for counts in done}
    assert data_prep(*words, "--workers", 1, "--output", tmp_path / "whole").code == 0
    stamps = {}
    rerun = start(*words, "--workers", workers, "--output", output)
    while rerun.poll() is None:
        for name in kept.keys() - stamps.keys():
            if (finished / name).is_file():
                stamps[name] = (finished / name).stat().st_mtime_ns
        time.sleep(0.002)
    assert rerun.returncode == 0
    assert stamps == kept
    assert content(output) == content(tmp_path / "whole")
    assert len(content(output)) > 4
    assert not finished.exists()


def test_packing_that_is_killed_leaves_no_folder_and_a_rerun_gives_the_same_bytes(
    data_prep: Callable, tokens_folder: Path, tmp_path: Path
) -> None:
    words = ("pack", "--input", tokens_folder, "--length", 2, "--output")
    process = start(*words, tmp_path / "killed")
    while not list(tmp_path.glob("killed.tmp-*")):
        assert process.poll() is None, "it was over before it could be killed"
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed").exists()
    for name in ("killed", "whole"):
        assert data_prep(*words, tmp_path / name).code == 0
    assert content(tmp_path / "killed") == content(tmp_path / "whole")
