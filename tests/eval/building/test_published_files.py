"""Published files are found and read in every form in which they come; broken ones are named."""

import gzip
import json

import pytest

from contracts.errors import InputError
from eval.building.records import chosen, each_record, file_called

RECORDS = [{"a": 1}, {"b": "line\u2028separator"}]


@pytest.mark.parametrize("name", ["records.jsonl", "records.jsonl.gz", "records.json"])
def test_lines_lists_and_gzip_hold_the_same_records(tmp_path, name):
    lines = "\n".join(json.dumps(record, ensure_ascii=False) for record in RECORDS) + "\n\n"
    text = json.dumps(RECORDS) if name.endswith(".json") else lines
    data = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert list(each_record(tmp_path / name)) == RECORDS


def test_a_file_is_found_by_itself_in_its_folder_or_in_the_folders_data(tmp_path):
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "set.jsonl.gz"
    file.write_bytes(gzip.compress(b"{}"))
    assert file_called(file, ("other.jsonl",)) == file
    assert file_called(tmp_path, ("set.jsonl",)) == file_called(tmp_path / "data", ("set.jsonl",)) == file
    with pytest.raises(InputError, match=r"none of a\.json, b\.json is here"):
        file_called(tmp_path, ("a.json", "b.json"))


def test_a_file_cut_by_a_broken_download_is_named(tmp_path):
    file = tmp_path / "set.jsonl.gz"
    file.write_bytes(gzip.compress(b"{}" * 1000)[:-9])
    with pytest.raises(InputError, match="fetch the file again"):
        list(each_record(file))


def test_a_choice_is_a_prefix_of_a_larger_one_and_depends_on_seed_and_names():
    values = list(range(50))
    assert chosen(values, 5, 1, "a") == chosen(values, 30, 1, "a")[:5] != chosen(values, 5, 2, "a")
    assert chosen(values, 50, 1, "a") != chosen(values, 50, 1, "b")
    assert sorted(chosen(values, 99, 1, "a")) == values == chosen(values, None, 1, "a")
