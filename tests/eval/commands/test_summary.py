"""The screen at the end of a run says the report's numbers, and nothing where there are none."""

import argparse
import json

import pytest

from contracts.errors import InputError
from eval.commands import summary


def score(model: str, length: int, value: float) -> dict:
    return {
        **{"benchmark": "ruler", "task": "niah_single_1", "length": length, "model": model, "n": 20},
        **{"metrics": {"string_match_all": value}, "rows": [], "hashes": {}},
    }


def printed(folder, capsys, scores: list[dict], methods: list[str]) -> str:
    path = folder / "report.json"
    path.write_text(json.dumps({"run": "mine", "scores": scores, "curves": [{"method": name} for name in methods]}))
    summary.run(argparse.Namespace(report=str(path)))
    return capsys.readouterr().out


def test_a_row_for_every_length_and_a_column_for_every_model(tmp_path, capsys):
    scores = [score("base", 512, 100.0), score("cdt", 512, 95.0), score("cdt", 2048, 87.5)]
    lines = printed(tmp_path, capsys, scores, ["cdt"]).splitlines()
    head, first, second = (line.split() for line in lines[3:6])
    assert head == ["tokens", "base", "cdt"]
    assert first[-5:] == ["512", "100", "%", "95", "%"]
    assert second == ["2,048", "-", "88", "%"]
    assert len({len(line) for line in lines[3:6]}) == 1
    assert "trained: cdt; beside them, not trained here: base" in lines[1]
    assert str(tmp_path / "report.html") in lines[-2]


def test_a_run_without_scores_has_no_table(tmp_path, capsys):
    assert "tokens" not in printed(tmp_path, capsys, [], ["ce"])


def test_another_file_is_refused(tmp_path):
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(InputError, match=r"not the report\.json of a run"):
        summary.run(argparse.Namespace(report=str(tmp_path / "report.json")))
