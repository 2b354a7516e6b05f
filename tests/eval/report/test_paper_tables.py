"""This run's rows in the paper's tables, and the formats that they are written in."""

import csv
import io
import re

import pytest

from eval.benchmarks.longbench.aggregate import aggregate
from eval.report.charts import BINS, heatmaps
from eval.report.measured import BABILONG_TASKS, Measurements
from eval.report.paper_section import length_section, needle_section, paper_section, protocol
from eval.report.paper_tables import paper_tables
from eval.report.table_formats import as_csv, as_html, as_latex
from eval.report.tables import scores_csv, scores_section
from eval.scoring.scored import mean


@pytest.fixture(scope="module")
def tables(data):
    return {table.number: table for table in paper_tables(data)}


def measured_rows(table):
    return {row.name: dict(zip(table.columns, row.cells, strict=True)) for row in table.rows if row.kind == "measured"}


def test_a_run_with_every_benchmark_has_every_table_of_the_paper(tables, data_of):
    assert list(tables) == ["1", "2", "11", "12", "13", "14"]
    assert paper_tables(data_of([])) == []


def test_the_average_is_that_of_the_benchmarks_own_aggregate_within_its_interval(data, tables):
    for name, cells in measured_rows(tables["1"]).items():
        scores = [score for score in data.scores if (score["benchmark"], score["model"]) == ("longbench", name)]
        assert cells["Avg."].text == f"{aggregate(scores)['score']:.2f}"
        assert float(cells["Avg."].low) < float(cells["Avg."].text) < float(cells["Avg."].high)
        assert cells["Avg."].note == ""


def test_lengths_that_the_paper_lacks_are_columns_of_their_own_in_order(data, tables):
    columns = tables["2"].columns
    assert columns[:4] == ("RULER 1K", "RULER 32K", "RULER 64K", "RULER 128K")
    found = measured_rows(tables["2"])["high"]
    assert found["RULER 64K"].text == "\u2013"
    means = [
        mean([s["score"] for s in data.scores if (s["benchmark"], s["model"], s["length"]) == ("babilong", "high", n)])
        for n in (1024, 32768)
    ]
    assert found["BABILong Avg."].text == f"{mean(means):.2f}"


def test_what_a_number_lacks_and_who_judged_it_stand_under_the_table(data, tables, data_of):
    (note,) = tables["11"].notes
    assert note.startswith("judged by stand-in (token F1) (low, 8,192 tokens: QA, Summ., Avg.; high")
    assert "stand-in (token F1)" in as_html(tables["11"])
    assert "stand-in (token F1)" in as_csv(tables["11"])
    assert "stand-in (token F1)" in as_latex(tables["11"])
    fewer = [score for score in data.scores if score["task"] != "qa8"]
    found = Measurements(data_of(fewer), "high")
    assert found.mean_of_tasks("babilong", BABILONG_TASKS).note == "without qa8"


def test_perplexities_are_pooled_and_their_intervals_lie_around_them(tables):
    for cells in measured_rows(tables["13"]).values():
        for cell in cells.values():
            assert float(cell.low) <= float(cell.text) <= float(cell.high)
            assert "4,096 tokens, 30 reports" in cell.note


def test_the_t_test_compares_the_same_samples(tables):
    (cell,) = measured_rows(tables["14"])["low v. high"].values()
    assert float(cell.text) < 1e-6
    assert cell.note.startswith("360 samples")


def test_misprints_of_the_paper_are_marked_in_every_format(tables):
    assert "34.62\u2020" in as_html(tables["1"])
    assert r"34.62$^\dagger$" in as_latex(tables["1"])
    lines = list(csv.DictReader(io.StringIO(as_csv(tables["1"]))))
    (wrong,) = [line for line in lines if line["Avg."] == "34.62" and line["model"] == "+ CE"]
    assert "25.52" in wrong["Avg. note"]


def test_csv_holds_every_model_with_number_interval_and_source(tables):
    lines = list(csv.DictReader(io.StringIO(as_csv(tables["1"]))))
    assert [line["source"] for line in lines].count("published") == 20
    (high,) = [line for line in lines if line["model"] == "high"]
    assert float(high["Code low"]) <= float(high["Code"]) <= float(high["Code high"])


def test_latex_rows_have_as_many_cells_as_the_head_and_nothing_unescaped(tables):
    for table in tables.values():
        text = as_latex(table)
        head = next(line for line in text.splitlines() if line.startswith("Models"))
        cells = [line for line in text.splitlines() if " & " in line and "multicolumn" not in line]
        assert {len(re.findall(r"(?<!\\)&", line)) for line in cells} == {head.count(" & ")}
        assert not re.search(r"(?<!\\)[%#]", text)


def test_a_heatmap_cell_is_the_mean_of_the_needles_that_lie_there(data):
    low, high = heatmaps(data)
    assert high.tasks == ("helmet json_kv",)
    score = next(s for s in data.scores if (s["model"], s["task"]) == ("high", "json_kv"))
    for place in range(BINS):
        values = [value for index, value in enumerate(score["per_sample"]) if index % 10 == place]
        assert high.scores[place] == (pytest.approx(100 * mean(values)),)
    assert low.samples == high.samples == 30


def test_every_score_stands_in_the_table_of_its_benchmark_and_in_the_csv_file(data):
    section = scores_section(data)
    assert re.findall(r"<h3>(\w+) \((\w+) is better\)", section) == [
        ("longbench", "higher"),
        ("ruler", "higher"),
        ("babilong", "higher"),
        ("helmet", "higher"),
        ("perplexity", "lower"),
        ("longppl", "lower"),
    ]
    lines = list(csv.DictReader(io.StringIO(scores_csv(data))))
    assert len(lines) == len(data.scores)
    for score in data.scores:
        (line,) = [
            line
            for line in lines
            if (line["benchmark"], line["task"], line["length"], line["model"])
            == (score["benchmark"], score["task"], str(score["length"]), score["model"])
        ]
        perplexity = score["metrics"].get(score["benchmark"])
        value = score["score"] if perplexity is None else perplexity
        assert (float(line["number"]), line["samples"]) == (value, str(score["n"]))
        assert (f"{value:.2f}<span" if perplexity is None else f"{value:.3f}<") in section


def test_a_cell_that_one_model_lacks_is_a_dash(data, data_of):
    (other,) = [s for s in data.scores if (s["model"], s["task"], s["length"]) == ("high", "vt", 1024)]
    fewer = [score for score in data.scores if score is not other and score["task"] == "vt"]
    (row,) = re.findall(
        r"<tr><th scope=\"row\">vt</th><td class=\"n\">1,024</td>.*?</tr>", scores_section(data_of(fewer))
    )
    assert row.count("&ndash;") == 1
    assert scores_section(data_of([])) == ""


def test_the_sections_show_tables_curves_heatmaps_and_protocol(data, tables):
    assert paper_section(list(tables.values())).count("<table") == 6
    assert length_section(data).count("<figure>") == 2
    assert needle_section(data).count("<svg") == 2
    entries = protocol(data)
    assert len(entries) == len(data.scores)
    assert {entry["template"] for entry in entries} == {"plain, with BOS"}
    assert any(entry["judges"] == "stand-in (token F1)" for entry in entries)
