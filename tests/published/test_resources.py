from pathlib import Path

import pytest

from tests.published.__main__ import FOLDER, write_all


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("benchmarks")
    write_all(folder)
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_committed_benchmark_files_are_what_their_generator_writes(fresh):
    committed, made = files_of(FOLDER), files_of(fresh)
    committed.pop("README.md")
    assert committed.keys() == made.keys()
    # A Parquet file names the library that wrote it; the others are compared whole.
    assert [name for name in made if not name.endswith(".parquet") and committed[name] != made[name]] == []
