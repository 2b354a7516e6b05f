"""Figure 7 as a table: shares of the tokens that each detector finds, beside the words of the paper."""

import csv
import io

import pytest

from eval.benchmarks.hops.score import score
from eval.report.detection_figure import paper_figures
from eval.report.table_formats import as_csv, as_html, as_latex

SPANS = [("irrelevant", 0, 60), ("supporting", 60, 70), ("emoji", 70, 74), ("interference", 74, 90), ("answer", 90, 91)]
DASH = "\u2013"


def probe_score(model: str, task: str, detector: str, first: int, critical: range) -> dict:
    """The score of two texts whose 30 highest tokens are those from `first` on."""
    spans = [{"kind": kind, "start": start, "end": end} for kind, start, end in SPANS]
    scores = [float(first <= token < first + 30) for token in range(91)]
    verdicts = [int(token in critical) for token in range(91)]
    row = {"input_ids": [0] * 91, "spans": spans, "token_scores": scores, "critical": verdicts}
    scored = score(task, [{"id": number, **row} for number in range(2)], {"top": 30})
    return {
        "benchmark": "hops",
        "task": task,
        "detector": detector,
        "length": 1024,
        "model": model,
        "score": scored.score,
        "n": 2,
        "rows": scored.rows,
        "metrics": scored.metrics,
    }


@pytest.fixture(scope="module")
def figure(data_of):
    scores = [probe_score("small", f"{hops}hop", "attention", 60, range(0)) for hops in (2, 3, 4)]
    scores += [probe_score("small", f"{hops}hop", "longppl", 40, range(55, 65)) for hops in (2, 3)]
    (table,) = paper_figures(data_of([*scores, probe_score("large", "4hop", "longppl", 0, range(0))]))
    return table


def measured(table) -> dict[str, dict]:
    return {row.name: dict(zip(table.columns, row.cells, strict=True)) for row in table.rows if row.kind == "measured"}


def texts(cells: dict) -> dict[str, str]:
    return {column: cell.text for column, cell in cells.items()}


def test_every_detector_that_ran_has_the_shares_of_the_tokens_that_it_finds(figure):
    rows = measured(figure)
    assert texts(rows["small, attention, top 30"]) == {
        "Critical": "86.7",
        "Supporting": "33.3",
        "Interference": "53.3",
        "Irrelevant": "0.0",
        "Low-frequency": "13.3",
        "Tokens": "30.0",
    }
    assert not any("gradient" in name for name in rows)


def test_longppl_is_shown_by_its_top_tokens_and_by_its_own_conditions(figure):
    rows = measured(figure)
    assert texts(rows["small, LongPPL, top 30"])["Irrelevant"] == "66.7"
    own = texts(rows["small, LongPPL, by its two conditions"])
    assert (own["Critical"], own["Irrelevant"], own["Tokens"]) == ("50.0", "50.0", "10.0")


def test_a_detector_that_finds_nothing_has_no_shares_but_a_count(figure):
    found = texts(measured(figure)["large, LongPPL, by its two conditions"])
    assert found.pop("Tokens") == "0.0"
    assert set(found.values()) == {DASH}


def test_a_row_says_on_how_many_texts_it_rests_and_what_it_lacks(figure):
    rows = measured(figure)
    assert rows["small, attention, top 30"]["Critical"].note == "6 texts of 1,024 tokens"
    assert rows["small, LongPPL, top 30"]["Critical"].note == "4 texts of 1,024 tokens; without 4 hops"


def test_the_papers_words_stand_above_in_every_format(figure):
    published = {row.name: texts(dict(zip(figure.columns, row.cells, strict=True))) for row in figure.rows if row.cells}
    assert published["Attention"]["Irrelevant"] == "a large number"
    assert published["CDT"]["Low-frequency"] == DASH
    assert "Figure 7 of the paper" in as_html(figure)
    assert "Published figures (Figure 7)" in as_latex(figure)
    lines = list(csv.DictReader(io.StringIO(as_csv(figure))))
    assert [line["source"] for line in lines] == ["published"] * 3 + ["measured"] * 5


def test_a_run_without_the_probe_has_no_figure(data):
    assert paper_figures(data) == []
