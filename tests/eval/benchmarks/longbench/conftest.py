"""The small files in LongBench's format, and the real records where they are at hand."""

import gzip
import json
from pathlib import Path

import pytest

from eval.benchmarks.longbench.tasks import TASKS, task_called
from tests.real_records import REAL_RECORDS

SMALL = Path(__file__).parents[4] / "resources" / "benchmarks" / "longbench"
REAL = REAL_RECORDS / "longbench"


@pytest.fixture
def small(context_of):
    """small(task, length, options of the benchmark, ...) -> BuildContext over the small files."""

    def make(task: str, length: int, options: dict | None = None, **shared):
        return context_of("longbench", task, length, options, shared, {"longbench": SMALL})

    return make


@pytest.fixture(scope="session")
def real_folder(tmp_path_factory) -> Path:
    """The real records, each set in its published file name; skips where there are none."""
    if not REAL.is_dir():
        pytest.skip(f"no real LongBench records at {REAL}")
    folder = tmp_path_factory.mktemp("longbench")
    for file in sorted(REAL.glob("*.jsonl.gz")):
        for line in gzip.decompress(file.read_bytes()).decode("utf-8").split("\n"):
            record = json.loads(line) if line else {}
            if (name := str(record.get("dataset", "")).removesuffix("_e")) in TASKS:
                with open(folder / f"{task_called(name).record_file}.jsonl", "a", encoding="utf-8") as lines:
                    lines.write(line + "\n")
    return folder
