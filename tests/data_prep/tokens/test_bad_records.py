"""Bad input: one line that names file, line and cure, or the record in the quarantine, its reason counted."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.token_files import TokensReader

REPOSITORY = Path(__file__).resolve().parents[3]
GOOD = b'{"id": "a", "text": "it was the best of times"}\n'
TAIL = b'{"id": "z", "text": "it was the worst of times"}\n'
LONG = b'{"id": "l", "text": "' + b"x " * 600_000 + b'"}\n'
Case = tuple[str, bytes, str, list[str]]

# (file, its content, reason in the manifest, what the one line says)
CASES: dict[str, Case] = {
    "invalid UTF-8": ("a.jsonl", GOOD + b'{"text": "caf\xe9"}\n' + TAIL, "not UTF-8", ["line 2", "byte 0xE9", "UTF-8"]),
    "broken JSON": (
        "a.jsonl",
        GOOD + b'{"text": "it \n' + TAIL,
        "broken JSON",
        ["line 2", "not valid JSON", "correct"],
    ),
    "no object": ("a.jsonl", GOOD + b'["text"]\n' + TAIL, "broken JSON", ["line 2", "must be an object", "list"]),
    "missing field": (
        "a.jsonl",
        GOOD + b'{"body": "it"}\n' + TAIL,
        "missing field",
        ["line 2", "no field 'text'", "body"],
    ),
    "text that is a number": (
        "a.jsonl",
        GOOD + b'{"text": 7}\n' + TAIL,
        "field of another type",
        ["line 2", "'text' is int"],
    ),
    "id that is a list": (
        "a.jsonl",
        GOOD + b'{"id": [], "text": "it"}\n' + TAIL,
        "field of another type",
        ["'id' is list"],
    ),
    "lone surrogate": (
        "a.jsonl",
        GOOD + b'{"text": "a\\ud800b"}\n' + TAIL,
        "lone surrogate",
        ["line 2", "\\ud800"],
    ),
    "a long line": (
        "a.jsonl",
        GOOD + LONG + TAIL,
        "longer than max_record_megabytes",
        ["line 2", "set max_record_megabytes"],
    ),
    "no tokens": (
        "a.jsonl",
        GOOD + b'{"id": "e", "text": ""}\n' + TAIL,
        "no tokens",
        ["a.jsonl line 2: document e has no tokens", "remove"],
    ),
    "a repeated id": (
        "a.jsonl",
        GOOD + GOOD + TAIL,
        "id of an earlier document",
        ["a.jsonl line 2: the id a is already that of", "a.jsonl line 1"],
    ),
    "cut off gzip": (
        "a.jsonl.gz",
        gzip.compress(GOOD + TAIL + os.urandom(4000).hex().encode())[:-2000],
        "damaged compressed file",
        ["a.jsonl.gz line 1", "damaged or cut off gzip file", "fetch"],
    ),
    "no gzip": ("a.jsonl.gz", b"not gzip at all", "damaged compressed file", ["a.jsonl.gz line 1", "fetch"]),
    "empty jsonl": ("a.jsonl", b"", "empty file", ["a.jsonl: no record", "fetch it again or remove it"]),
    "blank jsonl": ("a.jsonl", b"\n \n", "empty file", ["a.jsonl: no record"]),
    "empty text file": ("a.txt", b"", "empty file", ["a.txt: empty file"]),
    "text file in Latin-1": ("a.txt", b"one\ncaf\xe9", "not UTF-8", ["a.txt line 2", "byte 0xE9"]),
    "a long text file": ("a.txt", b"x " * 600_000, "longer than max_record_megabytes", ["a.txt", "1,200,000 bytes"]),
    "no parquet": ("a.parquet", b"PAR1 not parquet", "damaged parquet file", ["a.parquet row 1", "fetch"]),
    "a number of 5,000 digits": (
        "a.jsonl",
        GOOD + b'{"id": ' + b"9" * 5000 + b', "text": "at"}\n' + TAIL,
        "broken JSON",
        ["line 2", "a number with too many digits", "correct"],
    ),
    "a number of 5,000 digits in an array": (
        "a.json",
        b"[" + GOOD + b', {"id": ' + b"9" * 5000 + b', "text": "at"}]',
        "broken JSON",
        ["a.json record 2", "a number with too many digits"],
    ),
    "an array nested too deep": (
        "a.json",
        b"[" + GOOD + b", " + b"[" * 100_000,
        "broken JSON",
        ["a.json record 2", "nested too deep"],
    ),
    "text after an array": ("a.json", b"[" + GOOD + b"] {", "broken JSON", ["a.json: text after the end", "fetch"]),
    "an array without a comma": (
        "a.json",
        b"[" + GOOD + b'{"id": "b", "text": "at"}]',
        "broken JSON",
        ["a.json record 1, after it: no comma", "correct"],
    ),
    "an array with a comma too many": (
        "a.json",
        b"[" + GOOD + b",]",
        "broken JSON",
        ["a.json record 2", "not valid JSON"],
    ),
    "half an array": ("a.json", b'[{"id": "a", "text": "it was"}, {"id"', "broken JSON", ["a.json record 2", "fetch"]),
}


def corpus(folder: Path, case: str) -> Path:
    name, content, _, _ = CASES[case]
    folder.mkdir()
    (folder / name).write_bytes(content)
    (folder / "y.txt").write_text("it was the age of foolishness")
    return folder


def words_for(folder: Path, tokenizer: Path, output: Path, *more: object) -> tuple:
    words = ("tokenize", "--source", "text", "--input", folder, "--tokenizer", tokenizer, "--max-record-megabytes", 1)
    return (*words, *more, "--workers", 1, "--output", output)


def unusual_file(folder: Path, kind: str) -> None:
    """Something in the place of a book."""
    place = folder / "b.txt"
    if kind == "name":
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff.txt")).write_text("it was")
    else:
        {"link": lambda: place.symlink_to("absent"), "pipe": lambda: os.mkfifo(place), "folder": place.mkdir}[kind]()


@pytest.mark.parametrize(
    ("source", "kind", "told"),
    [
        ("text", "link", "b.txt: a link to nothing; restore"),
        ("text", "pipe", "b.txt: no regular file"),
        ("text", "name", "\\xff.txt: the name is not UTF-8; rename it"),
        ("pg19", "link", "b.txt: a link to nothing; restore"),
        ("pg19", "folder", "b.txt: no regular file"),
        ("pg19", "name", "\\xff.txt: the name is not UTF-8; rename it"),
    ],
)
def test_what_cannot_be_read_as_a_file_is_named_and_never_passed_over(
    data_prep: Callable, refused: Callable, tokenizer_folder: Path, tmp_path: Path, source: str, kind: str, told: str
) -> None:
    folder = tmp_path / "corpus" / "train"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("it was")
    unusual_file(folder, kind)
    words = ("--input", tmp_path / "corpus", "--tokenizer", tokenizer_folder, "--output", tmp_path / "t")
    assert refused(data_prep("tokenize", "--source", source, *words), told)


def test_linked_folders_are_read_and_a_circle_of_links_is_named(
    data_prep: Callable, refused: Callable, tokenizer_folder: Path, tmp_path: Path
) -> None:
    folder, elsewhere = tmp_path / "corpus", tmp_path / "elsewhere"
    for place, name in ((folder, "a.txt"), (elsewhere, "b.txt")):
        place.mkdir()
        (place / name).write_text("it was")
    (folder / "sub").symlink_to(elsewhere)
    words = words_for(folder, tokenizer_folder, tmp_path / "t")
    assert data_prep(*words).code == 0
    assert [TokensReader(tmp_path / "t").id(index) for index in range(2)] == ["a", "sub/b"]
    (folder / "round").symlink_to(".")
    assert refused(data_prep(*words), "round: a link to a folder that it lies in; remove it")


def test_a_quote_that_never_ends_in_metadata_csv_is_named(
    data_prep: Callable, refused: Callable, tokenizer_folder: Path, books: Path, tmp_path: Path
) -> None:
    with open(books / "metadata.csv", "a") as out:
        out.write('1000,"A book,1859,http://example.org\n' + "x" * 140_000)
    words = ("--input", books, "--tokenizer", tokenizer_folder, "--output", tmp_path / "t")
    assert refused(data_prep("tokenize", *words), "metadata.csv line ", "field limit", "correct the quotes")


@pytest.mark.parametrize("case", CASES)
def test_a_bad_record_stops_the_run_in_one_line(
    data_prep: Callable, refused: Callable, tokenizer_folder: Path, tmp_path: Path, case: str
) -> None:
    folder = corpus(tmp_path / "corpus", case)
    outcome = data_prep(*words_for(folder, tokenizer_folder, tmp_path / "t"))
    assert refused(outcome, *CASES[case][3]), outcome.err
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("case", CASES)
def test_a_bad_record_goes_to_quarantine_and_the_others_are_kept(
    data_prep: Callable, tokenizer_folder: Path, tmp_path: Path, case: str
) -> None:
    folder = corpus(tmp_path / "corpus", case)
    outcome = data_prep(*words_for(folder, tokenizer_folder, tmp_path / "t", "--on-bad-record", "quarantine"))
    assert outcome.code == 0, outcome.err
    reason = CASES[case][2]
    assert f"1 records dropped: {reason}" in outcome.err
    counts = json.loads((tmp_path / "t" / "manifest.json").read_text())["counts"]
    assert counts["documents"]["dropped"] == {reason: 1}
    assert counts["documents"]["in"] == counts["documents"]["out"] + 1
    (line,) = (tmp_path / "t" / "quarantine.jsonl").read_text().splitlines()
    set_aside = json.loads(line)
    assert set_aside["reason"] == reason
    assert str(tmp_path) not in set_aside["where"]
    good = CASES[case][1].count(b'"it was')
    names = [TokensReader(tmp_path / "t").id(index) for index in range(counts["documents"]["out"])]
    assert len(names) == good + 1 - (case == "a repeated id")
    assert names[-1] == "y"
    assert data_prep("verify", tmp_path / "t").code == 0


def test_the_quarantine_keeps_the_record_itself(data_prep: Callable, tokenizer_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(GOOD + b'{"text": "caf\xe9"}\n{"text": "it \n' + GOOD)
    words = words_for(folder, tokenizer_folder, tmp_path / "t", "--on-bad-record", "quarantine")
    assert data_prep(*words).code == 0
    kept = [json.loads(line) for line in (tmp_path / "t" / "quarantine.jsonl").read_text().splitlines()]
    assert [(line["where"], line["record"]) for line in kept] == [
        ("a.jsonl line 2", '{"text": "caf\\xe9"}\n'),
        ("a.jsonl line 3", '{"text": "it \n'),
        ("document a", "it was the best of times</s>".removesuffix("</s>")),
    ]


def test_quarantine_is_the_same_for_any_number_of_workers(
    data_prep: Callable, tokenizer_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    filler = b"".join(b'{"text": "%s"}\n' % (b"it was the age of wisdom " * 400) for _ in range(150))
    (folder / "a.jsonl").write_bytes(GOOD + b"{broken\n" + filler + b"{broken too\n" + GOOD)
    outputs = []
    for workers in (1, 2):
        output = tmp_path / str(workers)
        words = words_for(folder, tokenizer_folder, output, "--on-bad-record", "quarantine")
        words += ("--settings", '{"shard_megabytes": 1}', "--workers", workers)
        assert data_prep(*words).code == 0
        outputs.append({path.name: path.read_bytes() for path in output.iterdir()})
    assert outputs[0] == outputs[1]
    lines = [json.loads(line)["where"] for line in outputs[0]["quarantine.jsonl"].splitlines()]
    assert lines == ["a.jsonl line 2", "a.jsonl line 153", "document a"]
    assert data_prep("verify", tmp_path / "1").code == 0


def test_a_line_of_200_megabytes_is_passed_over_in_little_memory(tokenizer_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    with open(folder / "a.jsonl", "wb") as out:
        out.write(GOOD + b'{"text": "')
        for _ in range(200):
            out.write(b"x " * 500_000)
        out.write(b'"}\n' + TAIL)
    words = words_for(folder, tokenizer_folder, tmp_path / "t", "--on-bad-record", "quarantine")
    # VmHWM and not ru_maxrss: the latter starts at what the process that runs the tests has held.
    code = (
        "import re, sys; from contracts import command_line; from data_prep.__main__ import COMMANDS;"
        "code = command_line.main('data_prep', COMMANDS, sys.argv[1:]);"
        "print(re.search(r'VmHWM:\\s*(\\d+) kB', open('/proc/self/status').read())[1]); sys.exit(code)"
    )
    command = [sys.executable, "-c", code, *map(str, words)]
    outcome = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "1 records dropped: longer than max_record_megabytes" in outcome.stderr
    assert int(outcome.stdout.split()[-1]) < 250_000  # KiB
    assert [TokensReader(tmp_path / "t").id(index) for index in range(2)] == ["a", "z"]
    (line,) = (tmp_path / "t" / "quarantine.jsonl").read_text().splitlines()
    assert "200,000,013 bytes" in json.loads(line)["detail"]


def test_a_tokenizer_with_more_ids_than_the_model_beside_it_is_refused(
    data_prep: Callable, refused: Callable, chat_folder: Path, books: Path, tmp_path: Path
) -> None:
    (chat_folder / "config.json").write_text('{"vocab_size": 400}')
    told = ("has 420 ids", "config.json has 400", "name the tokenizer of this model")
    words = ("--tokenizer", chat_folder, "--output", tmp_path / "t")
    assert refused(data_prep("tokenize", "--input", books, *words), *told)
    assert refused(data_prep("tokenizer", *words), *told)
    (chat_folder / "config.json").write_text('{"vocab_size": 512}')
    assert data_prep("tokenize", "--input", books, *words).code == 0


def test_a_text_in_a_parquet_file_that_is_not_utf8_costs_its_own_row(
    data_prep: Callable, tokenizer_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    texts = pa.array([b"it was", b"caf\xe9", b"the best"]).view(pa.string())
    pq.write_table(pa.table({"text": texts}), folder / "a.parquet")
    words = words_for(folder, tokenizer_folder, tmp_path / "t", "--on-bad-record", "quarantine")
    assert data_prep(*words).code == 0
    counts = json.loads((tmp_path / "t" / "manifest.json").read_text())["counts"]
    assert counts["documents"] == {"in": 3, "out": 2, "dropped": {"not UTF-8": 1}}
    (line,) = (tmp_path / "t" / "quarantine.jsonl").read_text().splitlines()
    assert json.loads(line)["where"] == "a.parquet row 2"


def test_a_damaged_zstd_file_keeps_what_is_whole(data_prep: Callable, tokenizer_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    lines = b"".join(b'{"text": "%s"}\n' % os.urandom(300).hex().encode() for _ in range(3000))
    with pa.CompressedOutputStream(pa.OSFile(str(folder / "a.jsonl.zst"), "wb"), "zstd") as out:
        out.write(lines)
    whole = (folder / "a.jsonl.zst").read_bytes()
    (folder / "a.jsonl.zst").write_bytes(whole[: len(whole) * 2 // 3])
    words = words_for(folder, tokenizer_folder, tmp_path / "t", "--on-bad-record", "quarantine")
    assert data_prep(*words).code == 0
    counts = json.loads((tmp_path / "t" / "manifest.json").read_text())["counts"]
    assert counts["documents"]["dropped"] == {"damaged compressed file": 1}
    assert 500 < counts["documents"]["out"] < 2100
