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
    eager = [note for note in table.notes if note.startswith("eager: memory grows")]
    assert [note.endswith("power of 2.00 from 50 to 100 tokens") for note in eager] == [True]


@pytest.mark.parametrize(("after", "said"), [(2.1, "power of 1.07"), (4.0, "power of 2.00")])
def test_growth_is_the_power_of_the_length(after, said):
    rows = [
        {"length (tokens)": length, "Eq. 1, GiB": size, "all queries, GiB": analysis.DIES, "eager, GiB": analysis.DIES}
        for length, size in ((100, 1.0), (200, after))
    ]
    (told,) = analysis.growth(rows)
    assert said in told
    assert told.endswith("met" if after < 2.2 else "MISSED")
