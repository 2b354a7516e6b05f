"""The figures of the instruments show the table's records, whatever of them is there."""

import csv

import numpy as np
import pytest

from eval.analysis.instrument_figures import AREAS, areas_figure, distribution_figure
from eval.analysis.table import instrument_records
from tests.eval.analysis.models import labelled_row

ROWS = [{**labelled_row(seed=seed), "id": f"row-{seed}"} for seed in range(4)]


def table_of(names, answers=(True, False, True, False)):
    generator = np.random.default_rng(0)
    judged = [{"right": right} for right in answers]
    records = []
    for labels in ("true", "shuffled"):
        for name in names:
            lines = [{"scores": generator.random(len(row["input_ids"])).tolist()} for row in ROWS]
            records += instrument_records(name, ROWS, lines, judged, labels=labels, top=5, seed=0)
    return {"table": records, "model": "a <model>", "rows": 4, "right": sum(answers), "wrong": 4 - sum(answers)}


def drawn(path):
    """The records in a figure's data file."""
    with open(path, newline="") as handle:
        return list(csv.DictReader(handle))


def test_areas_of_every_instrument_series_and_measure_are_drawn(tmp_path):
    areas_figure(tmp_path / "instruments", table_of(["attention", "occlusion"]))
    records = drawn(tmp_path / "instruments.csv")
    # All, right and wrong rows with true labels; all rows with shuffled ones.
    assert len(records) == 2 * 4 * len(AREAS)
    assert {record["kind"] for record in records} == {"supporting"}
    picture = (tmp_path / "instruments.svg").read_text()
    assert picture.startswith("<?xml")
    assert "a <model>, 2 answered right and 2 wrong" in (tmp_path / "instruments.txt").read_text()


def test_figure_3_has_the_kinds_shares_of_right_and_wrong_answers(tmp_path):
    found = table_of(["fact_retrieval", "information_flow", "occlusion"])
    distribution_figure(tmp_path / "figure_3", found)
    records = drawn(tmp_path / "figure_3.csv")
    assert {record["instrument"] for record in records} == {"fact_retrieval", "information_flow"}
    assert {record["answers"] for record in records} == {"right", "wrong"}
    for name in ("fact_retrieval", "information_flow"):
        shares = [float(r["value"]) for r in records if (r["instrument"], r["answers"]) == (name, "right")]
        assert sum(shares) == pytest.approx(1.0)


@pytest.mark.parametrize("answers", [(True,) * 4, (False,) * 4])
def test_rows_that_are_all_right_or_all_wrong_are_drawn(answers, tmp_path):
    found = table_of(["fact_retrieval"], answers)
    written = distribution_figure(tmp_path / "figure_3", found) + areas_figure(tmp_path / "instruments", found)
    assert {path.suffix for path in written} == {".csv", ".txt", ".svg", ".pdf"}
    assert {record["answers"] for record in drawn(tmp_path / "figure_3.csv")} == {"right" if answers[0] else "wrong"}


def test_an_instrument_that_has_no_shares_leaves_figure_3_without_data(tmp_path):
    distribution_figure(tmp_path / "figure_3", table_of(["occlusion"]))
    assert drawn(tmp_path / "figure_3.csv") == []


def test_the_same_table_gives_the_same_bytes(tmp_path):
    found = table_of(["attention"])
    first, second = (
        [path.read_bytes() for path in areas_figure(tmp_path / name / "instruments", found)] for name in "ab"
    )
    assert first == second
