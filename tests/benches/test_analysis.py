"""The bench of the information flow compares the same flow, and says what grows."""

import pytest
import torch

from benches.eval import analysis
from eval.analysis.information_flow import information_flow
from eval.analysis.settings import InformationFlowSettings


def test_both_ways_give_the_same_flow():
    model, row = analysis.make_model("tiny", "cpu", "float32", 96), analysis.make_row(96)
    flow = information_flow(model, row, InformationFlowSettings())
    torch.testing.assert_close(analysis.eager_flow(model, row), flow, rtol=1e-4, atol=1e-9)


def costs(arguments, way, length):
    """Eager memory grows with the square and dies above 100 tokens; ours with the length."""
    if way == "eager":
        return {"GiB": length**2 / 1e3, "s": 1.0, "flow": 3.0} if length <= 100 else None
    return {"GiB": length / 1e3, "s": 1.0, "flow": 3.0}


def test_a_way_that_died_is_not_tried_again(monkeypatch):
    tried = []
    monkeypatch.setattr(analysis, "measured", lambda *given: tried.append(given[1:]) or costs(*given))
    table = analysis.flow_table(analysis.parse(["--lengths", "50", "100", "200", "400"]))
    assert [way for way, _ in tried].count("eager") == 3
    assert [row["eager, GiB"] for row in table.rows] == [2.5, 10.0, "dies", "dies"]
    assert [row["same flow"] for row in table.rows] == ["yes", "yes", "", ""]
    assert table.notes[-1].endswith("met")


@pytest.mark.parametrize(("after", "verdict"), [(2.1, "met"), (3.9, "MISSED")])
def test_memory_that_grows_faster_than_the_length_misses_its_target(after, verdict):
    rows = [
        {"length (tokens)": length, "Eq. 1, GiB": size, "all queries, GiB": "dies"}
        for length, size in ((100, 1.0), (200, after))
    ]
    (said,) = analysis.growth(rows)
    assert said.endswith(verdict)
