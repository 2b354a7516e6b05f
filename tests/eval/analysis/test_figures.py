"""Figures are the same bytes for the same data, come with data and captions, and need matplotlib only to be drawn."""

import csv
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from contracts import command_line
from eval.__main__ import COMMANDS
from eval.analysis import figures
from eval.analysis.denoising_settings import DIRECTIONS
from eval.analysis.figures import OKABE_ITO, write_figure
from eval.analysis.paper_figures import KINDS, LINES, denoising_figure, flow_figure, maps_figure

MEASURES = ("loss", "attention.supporting", "attention.irrelevant", "right")


def denoising_found() -> dict:
    records = [
        {"direction": name, "step": step, "measure": measure, "rows": 5, "before": 0.5, "after": 0.5 + change}
        | {"change": change, "low": change - 0.1, "high": change + 0.1}
        for index, name in enumerate(DIRECTIONS)
        for step in (0.0, 1e-3, 0.1, 10.0)
        for measure in MEASURES
        for change in [step * (index - 3) / 100]
    ]
    counts = {"rows": 5, "right_before": 4, "noise_share": 0.8, "rows_with_other_questions": 0}
    return {"model": "<b>&a</b>", **counts, "records": records}


def maps_found() -> dict:
    chunks = [{"start": 9 * i, "end": 9 * i + 9, "kind": kind} for i, kind in enumerate(("", "supporting", "question"))]
    maps = [
        {"model": name, "id": "a", "layer": 2, "chunks": chunks, "map": [[1.0, 0, 0], [0.4, 0.6, 0], [0.01, 0.49, 0.5]]}
        for name in ("before", "after")
    ]
    share = {"kind": "supporting", "n": 1, "value": 0.3, "low": 0.3, "high": 0.3}
    return {"models": ["before", "after"], "rows": 1, "maps": maps, "question_on": [{"model": "before", **share}]}


def flow_points() -> list[dict]:
    return [
        {"id": str(n % 2), "position": n, "kind": kind, "information_flow": n / 7, "embedding_gradient": n / 9}
        for kind in KINDS
        for n in range(6)
    ]


def draw_two(folder):
    return [
        *flow_figure(folder / "figure_5", flow_points(), [], "tiny"),
        *maps_figure(folder / "figure_14", maps_found()),
    ]


def test_the_same_data_give_the_same_bytes(tmp_path):
    pytest.importorskip("matplotlib")
    first, second = draw_two(tmp_path / "a"), draw_two(tmp_path / "b")
    assert [path.name for path in first] == [
        f"figure_{number}.{ending}" for number in (5, 14) for ending in ("csv", "txt", "svg", "pdf")
    ]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name
        assert b"Date" not in one.read_bytes() if one.suffix == ".pdf" else True
    for path in first:
        if path.suffix == ".svg":
            ElementTree.parse(path)
            assert not re.search(r"20\d\d-\d\d-\d\d", path.read_text())


def test_the_data_beside_a_figure_are_what_it_shows(tmp_path):
    for path in denoising_figure(tmp_path / "figure_4", denoising_found()):
        if path.suffix == ".svg":
            ElementTree.parse(path)
    with open(tmp_path / "figure_4.csv", newline="") as lines:
        rows = list(csv.DictReader(lines))
    found = [record for record in denoising_found()["records"] if record["step"] > 0]
    assert [(row["direction"], float(row["change"])) for row in rows] == [(r["direction"], r["change"]) for r in found]
    caption = (tmp_path / "figure_4.txt").read_text()
    for part in ("5 rows", "<b>&a</b>", "Published: ", "Shown here: ", "Not shown: ", "Okabe and Ito"):
        assert part in caption


def test_every_direction_has_a_look_of_its_own_from_the_palette():
    assert list(LINES) == list(DIRECTIONS)
    assert len(set(LINES.values())) == len(LINES)
    assert {colour for colour, _, _ in LINES.values()} <= set(OKABE_ITO)


def test_without_matplotlib_data_and_caption_are_there_and_one_line_says_what_is_not(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(figures, "has_matplotlib", lambda: False)
    written = maps_figure(tmp_path / "figure_14", maps_found())
    assert [path.suffix for path in written] == [".csv", ".txt"]
    assert capsys.readouterr().err.count("\n") == 1


def test_nothing_imports_matplotlib_before_it_is_needed():
    code = "import sys, eval.analysis.paper_figures, eval.commands.figures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_drawing_that_fails_leaves_no_half_file(tmp_path):
    pytest.importorskip("matplotlib")

    def broken(figure):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_figure(
            tmp_path / "x",
            broken,
            (2, 2),
            [{"a": 1}],
            {"title": "t", "data": "", "published": "", "shows": "", "cannot": ""},
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.csv", "x.txt"]


def test_the_command_says_what_is_missing(tmp_path, capsys):
    assert command_line.main("eval", COMMANDS, ["figures", "--output", str(tmp_path)]) == 2
    assert command_line.main("eval", COMMANDS, ["figures", "--maps", str(tmp_path), "--output", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "give --denoising, --analysis or --maps" in told
    assert "python -m eval attention_maps" in told
