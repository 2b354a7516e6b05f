"""The data section of the report: how long documents and segments are, how much evidence there is and where it lies.

in : NAME=FILE of `python -m data_prep inspect FOLDER --json`      out: histograms as inline SVG, and their medians
Invariant: nothing is computed here: every number is in the files.
"""

from collections.abc import Sequence
from html import escape
from itertools import pairwise

from contracts.errors import InputError
from contracts.files import existing_file
from eval.building.samples import read_json
from eval.report.charts import Axes, grid, number

# What a summary may hold: (its key, title, label of the axis).
DISTRIBUTIONS = (
    ("document_lengths", "Lengths before packing", "tokens of a document or sample"),
    ("segment_tokens", "Lengths of the packed segments", "tokens of a segment"),
    ("evidence_passages", "Supporting passages", "passages of a sample"),
    ("evidence_places", "Where supporting passages begin", "percent of the sample"),
)
WIDTH, HEIGHT = 460, 250
BIN_KEYS = {"from", "below", "count"}


def read_data_summaries(named: dict[str, str]) -> dict[str, dict]:
    """{name: what `data_prep inspect --json` said}; InputError where a file is something else."""
    return {name: read_data_summary(path) for name, path in named.items()}


def read_data_summary(path: str) -> dict:
    """One summary, without the sample that it shows."""
    summary = read_json(existing_file(path, "run `python -m data_prep inspect FOLDER --json` for it"))
    spreads = [summary.get(key) for key, _, _ in DISTRIBUTIONS if key in summary]
    if summary.get("kind") not in {"tokens", "packs"} or not all(map(is_spread, spreads)):
        raise InputError(f"{path}: not a summary of tokens or packs; run `python -m data_prep inspect FOLDER --json`")
    return {key: value for key, value in summary.items() if key not in {"sample", "folder"}}


def is_spread(value: object) -> bool:
    """Whether a value is a distribution with its histogram."""
    return (
        isinstance(value, dict)
        and {"median", "histogram"} <= value.keys()
        and all(entry.keys() >= BIN_KEYS for entry in value["histogram"])
    )


def data_section(summaries: dict[str, dict]) -> str:
    """What the models were trained on: a line of facts and the histograms of every summary."""
    return "".join(summary_part(name, summary) for name, summary in summaries.items())


def summary_part(name: str, summary: dict) -> str:
    """The facts and the charts of one folder."""
    charts = "".join(
        f"<figure><h3>{escape(title)}</h3>{histogram(summary[key], title, label)}</figure>"
        for key, title, label in DISTRIBUTIONS
        if summary.get(key, {}).get("histogram")
    )
    return f'<h3>{escape(name)}</h3><p>{facts(summary)}</p><div class="pair">{charts}</div>'


def facts(summary: dict) -> str:
    """Counts of a folder in one sentence."""
    if summary["kind"] == "tokens":
        return f"{summary['documents']:,} documents with {summary['tokens']:,} tokens."
    return (
        f"{summary['rows']:,} rows of {summary['length']:,} tokens in {summary['segments']:,} segments; "
        f"{summary['padding_share']:.2%} of the places are padding, {summary['supervised_share']:.2%} are learned."
    )


def histogram(spread: dict, title: str, x_label: str) -> str:
    """A bar for each bin, as high as its count, and a dashed line at the median."""
    bins = spread["histogram"]
    most = max(entry["count"] for entry in bins)
    axes = Axes(bins[0]["from"], bins[-1]["below"], 0, 1.06 * most, WIDTH, HEIGHT)
    label = f"{x_label} (dashed: median {number(spread['median'])})"
    parts = [grid(axes, label, "count"), *bars(axes, bins), median_line(axes, spread["median"])]
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def bars(axes: Axes, bins: Sequence[dict]) -> list[str]:
    """The bars, each of which tells its bin and count when pointed at."""
    edges = [axes.x(entry["from"]) for entry in bins] + [axes.x(bins[-1]["below"])]
    drawn = []
    for (left, right), entry in zip(pairwise(edges), bins, strict=True):
        top, bottom = axes.y(entry["count"]), axes.y(0)
        # A hairline between neighbours; bars of a pixel or less would vanish in it.
        width = max(right - left - 1, 0.5)
        told = f"{entry['from']:,} to {entry['below'] - 1:,}: {entry['count']:,}"
        drawn.append(
            f'<rect class="s0" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{bottom - top:.1f}">'
            f"<title>{told}</title></rect>"
        )
    return drawn


def median_line(axes: Axes, median: float) -> str:
    """A dashed upright line."""
    x = axes.x(median)
    return f'<line class="level" x1="{x:.1f}" x2="{x:.1f}" y1="{axes.y(axes.high_y):.1f}" y2="{axes.y(0):.1f}"/>'
