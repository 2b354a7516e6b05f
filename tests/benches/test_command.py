"""The command at toy sizes: every table, on a machine without a GPU, and the files it writes."""

import json
import math

import pytest
import torch

from benches.train import __main__ as command
from benches.train.plain_cdt import block_diagonal_mask
from benches.train.report import markdown


def result_of(tmp_path, *words):
    command.main([*words, "--tiny", "--repetitions", "1", "--output", str(tmp_path / "bench")])
    result = json.loads((tmp_path / "bench.json").read_text())
    assert (tmp_path / "bench.md").read_text() == markdown(result)
    return result


def test_every_table_is_there_and_the_file_says_how_it_was_made(tmp_path):
    result = result_of(tmp_path)
    assert len(result["tables"]) == 6
    assert all(table["rows"] and table["notes"] for table in result["tables"])
    assert {"date", "command", "code", "versions", "processor", "threads", "load"} == result["run"].keys()
    # Both implementations are the same step, or the bench would have refused to time them.
    assert all(row["loss difference"] < 1e-4 for row in result["tables"][4]["rows"])


def test_the_bench_for_a_gpu_runs_at_toy_size_on_any_device(tmp_path):
    (table,) = result_of(tmp_path, "--gpu", "--lengths", "32,64", "--recompute", "full")["tables"]
    assert [(row["tokens"], row["method"]) for row in table["rows"]] == [
        (32, "ce"),
        (32, "cdt"),
        (64, "ce"),
        (64, "cdt"),
    ]
    assert all(math.isfinite(row["tokens/s"]) and row["TFLOP/s"] > 0 for row in table["rows"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is at hand")
def test_without_a_gpu_the_real_size_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["--gpu"])
    assert stop.value.code == 2
    assert "--tiny" in capsys.readouterr().err


def test_a_plain_mask_is_causal_within_documents():
    mask = block_diagonal_mask([2, 1])[0, 0]
    assert mask.tolist() == [[True, False, False], [True, True, False], [False, False, True]]
