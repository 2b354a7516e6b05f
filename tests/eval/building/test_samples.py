import json

import pytest

from contracts.code_reach import code_facts
from contracts.errors import InputError
from eval.building.samples import Cell, manifest_path, read_samples, with_ids, write_samples


@pytest.fixture
def write(tmp_path):
    def make(rows, name="64.jsonl"):
        path = tmp_path / name
        write_samples(
            path,
            cell=Cell("ruler", "vt", 64),
            rows=rows,
            facts={"extra": 3},
            inputs={"tokenizer_digest": "abc"},
            settings={"seed": 5},
            code=code_facts(),
            packages=(),
        )
        return path

    return make


def test_what_is_written_is_read_back_with_its_manifest(write):
    samples = read_samples(write([{"input_ids": [1, 2]}, {"input_ids": [3]}]))
    assert [row["input_ids"] for row in samples.rows] == [[1, 2], [3]]
    assert (samples.cell, samples.manifest["seed"]) == (Cell("ruler", "vt", 64), 5)
    assert samples.manifest["counts"] == {"benchmark": "ruler", "task": "vt", "length": 64, "samples": 2, "extra": 3}


def test_the_same_rows_give_the_same_bytes(write):
    rows = [{"b": 0.1, "a": "é"}]
    one, other = write(rows), write(rows, "other.jsonl")
    assert one.read_bytes() == other.read_bytes()


def test_a_file_changed_after_it_was_built_is_refused(write):
    path = write([{"input_ids": [1]}])
    path.write_text(path.read_text().replace("[1]", "[2]"))
    with pytest.raises(InputError, match="manifest"):
        read_samples(path)


def test_a_missing_file_or_manifest_is_told_with_its_cure(write, tmp_path):
    with pytest.raises(InputError, match="eval build"):
        read_samples(tmp_path / "absent.jsonl")
    path = write([{"input_ids": [1]}])
    manifest_path(path).unlink()
    with pytest.raises(InputError, match="eval build"):
        read_samples(path)


def test_ids_are_unique_and_name_the_content():
    ids = [row["id"] for row in with_ids(Cell("ruler", "vt", 8), [{"a": 1}, {"a": 1}, {"a": 2}])]
    assert len(set(ids)) == 3
    cell = Cell("ruler", "vt", 8)
    assert with_ids(cell, [{"a": 2}])[0]["id"] != with_ids(cell, [{"a": 1}])[0]["id"]


def test_manifests_hold_no_machine_paths(write, tmp_path):
    path = write([{"input_ids": [1]}])
    assert str(tmp_path) not in json.dumps(json.loads(manifest_path(path).read_text()))
