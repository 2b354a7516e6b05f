"""The evaluation's benchmarks run in small, and compare what they say they compare."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> dict:
    stem = tmp_path_factory.mktemp("bench") / "eval"
    words = [sys.executable, "-m", "benches.eval", "--tiny", "--turns", "1", "--output", str(stem)]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(words, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert stem.with_suffix(".md").read_text().startswith("# What an evaluation costs")
    return json.loads(stem.with_suffix(".json").read_text())


def test_every_table_has_rows_with_a_figure_for_both_sides(result):
    samples, answers, fan_out = result["tables"]
    assert all(row["samples/s"] > 0 and row["samples/s, search"] > 0 for row in samples["rows"])
    assert all(row["tokens/s"] > 0 and row["tokens/s, generate"] > 0 for row in answers["rows"])
    assert all(row["CPU s"] > 0 for row in fan_out["rows"])


def test_both_sides_answer_the_same_and_our_prompts_are_as_full(result):
    samples, answers, _ = result["tables"]
    assert {row["same text"] for row in answers["rows"]} == {"yes"}
    assert all(row["tokens unused"] <= row["tokens unused, search"] for row in samples["rows"])
