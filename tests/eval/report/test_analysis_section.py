"""The report shows every instrument's areas with their intervals and the figures as they are, and escapes the rest."""

import json

import pytest

from contracts.errors import InputError
from eval.report.analyses import read_analysis, read_figures
from eval.report.analysis_section import analysis_section


def record(instrument: str, value: float, labels: str = "true", answers: str = "all", measure: str = "auc") -> dict:
    return {
        **{"instrument": instrument, "title": f"<{instrument}>", "labels": labels, "answers": answers},
        **{"kind": "supporting", "measure": measure, "n": 4, "value": value, "low": value - 0.1, "high": value + 0.05},
    }


@pytest.fixture
def folder(tmp_path):
    """A table of two instruments, and one figure."""
    records = [
        record("gradient", 0.9),
        record("gradient", 0.7, measure="auc_against_interference"),
        record("gradient", 0.51, labels="shuffled", measure="auc_against_interference"),
        record("attention", 0.6),
    ]
    table = {"model": "cdt", "rows": 4, "right": 3, "wrong": 1, "table": records}
    (tmp_path / "table.json").write_text(json.dumps(table))
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures/figure_4.svg").write_text('<?xml version="1.0"?>\n<svg id="four"></svg>')
    (tmp_path / "figures/figure_4.txt").write_text("Figure 4. What <b> does.\nData: 4 rows.\n")
    return tmp_path


def shown(folder) -> str:
    one = read_analysis("cdt", "2hop", "512", str(folder / "table.json"), str(folder / "figures"))
    return analysis_section([one], ())


def test_each_instrument_has_a_row_with_intervals_and_a_dash_where_nothing_was_measured(folder):
    page = shown(folder)
    assert "cdt, 2hop at 512 tokens, 4 rows of which it answers 3 right" in page
    gradient, attention = (part for part in page.split("<tr>") if 'scope="row"' in part)
    assert "&lt;gradient&gt;" in gradient
    assert [value in gradient for value in ("0.900", "0.80 to 0.95", "0.700", "0.510")] == [True] * 4
    assert attention.count("&ndash;") == 4


def test_a_figure_stands_as_it_was_drawn_with_its_caption_escaped(folder):
    page = shown(folder)
    assert '<svg id="four"></svg>' in page
    assert "<?xml" not in page
    assert "What &lt;b&gt; does." in page


def test_figures_come_by_number(folder):
    for number in (14, 5):
        (folder / f"figures/figure_{number}.svg").write_text(f"<svg>{number}</svg>")
        (folder / f"figures/figure_{number}.txt").write_text(f"Figure {number}. Words.")
    assert [caption.split(".")[0] for _, caption in read_figures(str(folder / "figures"))] == [
        "Figure 4",
        "Figure 5",
        "Figure 14",
    ]


def test_nothing_is_shown_where_nothing_was_looked_at():
    assert analysis_section([], ()) == ""


def test_another_file_is_refused(folder):
    (folder / "table.json").write_text("{}")
    with pytest.raises(InputError, match="not a table"):
        shown(folder)
