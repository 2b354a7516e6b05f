"""Any corpus of text: every format gives the same documents, in the same order, in shards of any size and process."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.token_files import TokensReader
from data_prep.settings import CorpusSettings
from data_prep.sources.json_files import line_parts, read_array, read_lines
from data_prep.sources.source import BadRecord, Document, Source, open_source
from tests.data_prep.records import write_jsonl

TEXTS = [f"Text {n}: na\u00efve caf\u00e9 \U0001f600\r\nline two " + "it was the age " * (n % 7) for n in range(40)]
RECORDS = [{"id": f"d{n}", "text": text, "other": n} for n, text in enumerate(TEXTS)]


def compressed_zstd(path: Path, content: bytes) -> None:
    with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), "zstd") as out:
        out.write(content)


def write(folder: Path, kind: str, name: str = "a") -> Path:
    """The records as one file of a kind."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}{kind}"
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in RECORDS).encode()
    if kind == ".parquet":
        pq.write_table(pa.Table.from_pylist(RECORDS), path, row_group_size=7)
    elif kind == ".jsonl.zst":
        compressed_zstd(path, lines)
    elif kind == ".json":
        path.write_text(json.dumps(RECORDS, indent=1))
    else:
        path.write_bytes(gzip.compress(lines) if kind == ".jsonl.gz" else lines)
    return path


def documents(source: Source, size: int) -> list[Document]:
    return [document for shard in source.shards(size) for document in source.records(shard)]


def text_source(path: Path, **settings: object) -> Source:
    return open_source(CorpusSettings(source="text", path=str(path), **settings), "train")


KINDS = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".json", ".parquet")


@pytest.mark.parametrize("size", [1, 500, 10**9])
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_documents_in_order_for_any_size_of_shard(tmp_path: Path, kind: str, size: int) -> None:
    found = documents(text_source(write(tmp_path, kind)), size)
    assert found == [Document(record["id"], record["text"]) for record in RECORDS]


@pytest.mark.parametrize("kind", KINDS)
def test_records_without_an_id_are_named_by_file_and_number(tmp_path: Path, kind: str) -> None:
    found = documents(text_source(write(tmp_path, kind), id_field="no such field"), 500)
    assert [document.id for document in found] == [f"a{kind}:{number}" for number in range(1, len(RECORDS) + 1)]


@given(lines=st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line)), size=st.integers(1, 60))
def test_the_parts_of_a_file_hold_every_line_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], size: int
) -> None:
    path = tmp_path_factory.mktemp("lines") / "a.jsonl"
    path.write_bytes(b"\n".join(lines))
    parts = line_parts(path, size)
    found = [line for part in parts for line in read_lines(part, 1000)]
    whole = path.read_bytes().split(b"\n")
    expected = [(n, line) for n, line in enumerate(whole, 1) if line and not line.isspace()]
    assert [(number, line.removesuffix(b"\n")) for number, line in found] == expected
    assert sum(part.size for part in parts) == path.stat().st_size


@given(values=st.lists(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5), max_size=8))
def test_a_json_array_is_read_element_by_element(tmp_path_factory: pytest.TempPathFactory, values: list) -> None:
    path = tmp_path_factory.mktemp("array") / "a.json"
    path.write_text(json.dumps(values, indent=2), encoding="utf-8")
    assert [value for _, value in read_array(path, 10**6)] == values


@pytest.mark.parametrize(
    ("content", "told"),
    [("[1, 2", "cut off"), ("[1, {]", "not valid JSON"), ('{"a": 1}', "not a JSON array"), ("[1] ", None)],
)
def test_a_broken_json_array_gives_what_is_whole_and_tells_the_place(tmp_path: Path, content: str, told: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    *_, last = read_array(path, 1000)
    if told is None:
        assert last == (1, 1)
    else:
        assert isinstance(last, BadRecord)
        assert told in last.detail


def test_a_folder_of_all_kinds_is_read_by_name_and_txt_files_are_documents(tmp_path: Path) -> None:
    (tmp_path / "corpus" / "b").mkdir(parents=True)
    (tmp_path / "corpus" / "b" / "2.txt").write_text("second", encoding="utf-8")
    (tmp_path / "corpus" / "a.txt").write_text("first", encoding="utf-8")
    (tmp_path / "corpus" / "c.jsonl").write_text('{"text": "third"}\n')
    (tmp_path / "corpus" / "notes.md").write_text("not read")
    found = documents(text_source(tmp_path / "corpus"), 1)
    assert [(document.id, document.text) for document in found] == [
        ("a", "first"),
        ("b/2", "second"),
        ("c.jsonl:1", "third"),
    ]


def test_a_split_is_a_folder_of_its_name(
    tmp_path: Path, data_prep: Callable, refused: Callable, tokenizer_folder: Path
) -> None:
    for split in ("train", "validation"):
        write_jsonl(tmp_path / "corpus" / split / "a.jsonl", [{"text": split}])
    corpus = CorpusSettings(source="text", path=str(tmp_path / "corpus"))
    assert [documents(open_source(corpus, split), 10)[0].text for split in ("train", "validation")] == [
        "train",
        "validation",
    ]
    words = ("tokenize", "--source", "text", "--tokenizer", tokenizer_folder, "--output", tmp_path / "t")
    assert refused(data_prep(*words, "--input", tmp_path / "absent"), "absent: no such corpus")
    assert refused(data_prep(*words, "--input", tmp_path / "corpus", "--split", "test"), "corpus/test: no such corpus")
    assert refused(
        data_prep(*words, "--input", tmp_path / "corpus/train/a.jsonl", "--split", "test"), "has no split test"
    )


def test_another_field_may_hold_the_text(
    tmp_path: Path, data_prep: Callable, refused: Callable, tokenizer_folder: Path
) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"body": "it was"}])
    words = (
        "tokenize",
        "--source",
        "text",
        "--input",
        path,
        "--tokenizer",
        tokenizer_folder,
        "--output",
        tmp_path / "t",
    )
    told = ("a.jsonl line 1", "no field 'text' (fields here: body)", "set text_field")
    assert refused(data_prep(*words), *told)
    assert data_prep(*words, "--text-field", "body").code == 0
    assert len(TokensReader(tmp_path / "t")) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_are_the_same_bytes_for_any_workers_and_creation_order(
    tmp_path: Path, data_prep: Callable, tokenizer_folder: Path, kind: str
) -> None:
    for corpus, names in (("x", ["a", "b", "c"]), ("y", ["c", "a", "b"])):
        for name in names:
            write(tmp_path / corpus / "texts", kind, name)
    outputs = []
    for number, (corpus, workers) in enumerate((("x", 1), ("y", 2))):
        words = ("--source", "text", "--input", tmp_path / corpus / "texts", "--tokenizer", tokenizer_folder)
        words += ("--id-field", "absent", "--workers", workers, "--output", tmp_path / str(number))
        assert data_prep("tokenize", *words).code == 0
        outputs.append({path.name: path.read_bytes() for path in (tmp_path / str(number)).iterdir()})
    assert outputs[0] == outputs[1]
    assert len(TokensReader(tmp_path / "0")) == 3 * len(TEXTS)
    assert data_prep("verify", tmp_path / "0").code == 0


def test_a_file_of_lines_larger_than_memory_is_read_in_little_memory(tmp_path: Path) -> None:
    line = json.dumps({"text": "it was the age of wisdom " * 400}).encode() + b"\n"
    path = tmp_path / "a.jsonl"
    with open(path, "wb") as out:
        for _ in range(60_000_000 // len(line)):
            out.write(line)
    source = text_source(path)
    shards = source.shards(5_000_000)
    assert len(shards) == pytest.approx(12, abs=1)
    read, write_end = os.pipe()
    child = os.fork()
    if not child:  # a process of its own, so that its peak is its own
        import resource

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        total = sum(len(document.text) for shard in shards for document in source.records(shard))
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        os.write(write_end, json.dumps([total, after - before]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    total, grown = json.loads(os.read(read, 1000))
    assert total == 60_000_000 // len(line) * 10_000
    assert grown < 10_000  # KiB: 10 MB for 60 MB of text
