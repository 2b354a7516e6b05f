"""The report's data section: every bin is a bar that tells its count, and what is no summary is refused."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import command_line
from contracts.errors import InputError
from eval.__main__ import COMMANDS
from eval.report.data_charts import data_section, histogram, read_data_summary


def spread(counts: list[int], low: int = 10, width: int = 7) -> dict:
    """A distribution as `data_prep inspect --json` writes one."""
    edges = [low + place * width for place in range(len(counts) + 1)]
    bins = [{"from": edges[n], "below": edges[n + 1], "count": count} for n, count in enumerate(counts)]
    return {"min": low, "mean": 15.0, "median": float(low + width), "max": edges[-1] - 1, "histogram": bins}


def tokens_summary() -> dict:
    known = {"kind": "tokens", "documents": 12, "tokens": 3456, "document_lengths": spread([3, 0, 9])}
    return known | {"evidence_passages": spread([4, 4, 4], 2, 1), "sample": {"begin": "of the text"}}


def packs_summary() -> dict:
    shares = {"padding_share": 0.0125, "supervised_share": 0.5, "rows": 4, "length": 1024, "segments": 12}
    places = spread([1] * 12, 0, 9)
    return {"kind": "packs", **shares, "segment_tokens": spread([12]), "evidence_places": places, "sample": {}}


@given(counts=st.lists(st.integers(0, 10**9), min_size=1, max_size=12).filter(any), width=st.integers(1, 10**6))
def test_every_bin_is_a_bar_as_high_as_its_count(counts: list[int], width: int) -> None:
    drawn = histogram(spread(counts, 0, width), "title", "tokens")
    heights = [float(height) for height in re.findall(r'<rect [^>]* height="([\d.]+)"', drawn)]
    assert len(heights) == len(counts)
    for height, count in zip(heights, counts, strict=True):
        assert height == pytest.approx(max(heights) * count / max(counts), abs=0.11)
    assert [int(told.replace(",", "")) for told in re.findall(r": ([\d,]+)</title></rect>", drawn)] == counts


def test_the_page_shows_what_each_summary_knows() -> None:
    section = data_section({"tokens": tokens_summary(), "packs": packs_summary()})
    assert re.findall(r"<h3>([A-Z][^<]*)</h3>", section) == [
        "Lengths before packing",
        "Supporting passages",
        "Lengths of the packed segments",
        "Where supporting passages begin",
    ]
    assert "12 documents with 3,456 tokens." in section
    assert "4 rows of 1,024 tokens in 12 segments; 1.25% of the places are padding, 50.00% are learned." in section
    assert data_section({}) == ""


def test_a_report_has_the_section_and_its_numbers(tmp_path: Path) -> None:
    file, page = tmp_path / "packs.json", tmp_path / "report.html"
    file.write_text(json.dumps(packs_summary()))
    words = ["report", "--run-name", "r", "--data-summaries", f"packs={file}", "--output", str(page)]
    assert command_line.main("eval", COMMANDS, words) == 0
    assert '<section id="data">' in page.read_text()
    told = json.loads((tmp_path / "report.json").read_text())["data_summaries"]
    assert told == {"packs": {key: value for key, value in packs_summary().items() if key != "sample"}}


@pytest.mark.parametrize(
    "content",
    [{}, {"kind": "tokenizer"}, {"kind": "packs", "segment_tokens": [1]}, {"kind": "packs", "segment_tokens": {}}],
    ids=str,
)
def test_what_is_no_summary_is_refused(tmp_path: Path, content: dict) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"a\.json: not a summary of tokens or packs"):
        read_data_summary(str(tmp_path / "a.json"))
