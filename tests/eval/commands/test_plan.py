"""Which cells share a loaded model: every cell that a model answers is in one part, and parts are small enough."""

import json

import pytest

from contracts.errors import InputError
from eval.cells import cells_of, planned_parts, suits
from eval.commands.generate import other_cells
from eval.settings import EvalSettings

SECTION = {
    "lengths": [1024, 2048, 4096],
    "inference": {"methods": ["dense", "rag", "xattention"]},
    "detection": {"methods": ["gradient", "longppl"]},
    "benchmarks": {
        "perplexity": {"tasks": ["books"]},
        "ruler": {"tasks": ["vt", "niah_single_1"]},
        "hops": {"lengths": [512]},
    },
}


def settings(together: int) -> dict:
    given = {**SECTION, "generation": {"cells_per_job": together}}
    return EvalSettings.model_validate(given).model_dump(mode="json")


@pytest.mark.parametrize("together", [1, 2, 4, 100])
def test_every_cell_that_a_model_answers_is_in_one_part(together):
    plan = planned_parts(settings(together), ["ce", "cdt"], "results/run")
    expected = [
        (
            f"results/run/samples/{benchmark}/{task}/{length}.jsonl",
            f"results/run/eval/{model}/{way}/{benchmark}/{task}/{length}/predictions.jsonl",
        )
        for model in ("ce", "cdt")
        for way in ("dense", "rag", "xattention", "longppl")
        for benchmark, task, length in cells_of(settings(together))
        if (way == "longppl") == (benchmark == "hops") and (benchmark == "hops" or suits(benchmark, task, way))
    ]
    planned = [cell for parts in plan.values() for part in parts for cell in part]
    assert sorted(planned) == sorted(expected)
    assert len(set(planned)) == len(planned) >= 2 * (6 * 3 + 3)
    assert all(len(part) <= together for parts in plan.values() for part in parts)


def test_a_part_has_one_model_one_method_and_one_benchmark():
    plan = planned_parts(settings(100), ["ce", "cdt"], "results/run")
    for group, parts in plan.items():
        assert all(f"/eval/{group}/" in output for part in parts for _, output in part)


def test_the_others_of_a_part_are_found_and_a_lost_plan_costs_nothing(tmp_path):
    path = tmp_path / "plan.json"
    assert other_cells(str(path), ["b"]) == []
    path.write_text(json.dumps({"m/dense/x": [[["A", "a"], ["B", "b"]], [["C", "c"]]], "n/dense/x": [[["A", "d"]]]}))
    assert other_cells(str(path), ["b"]) == [("A", "a")]
    assert other_cells(str(path), ["c"]) == other_cells(str(path), ["z"]) == []
    path.write_text("[1]")
    with pytest.raises(InputError, match="not a plan"):
        other_cells(str(path), ["b"])
