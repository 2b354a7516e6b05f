"""Needle heatmaps: how often a model finds a needle, by the length of the text and the depth of the needle.

A cell is the mean score of the samples whose only needle lies in that tenth of a text of that length; samples with
several needles are left out, since one score cannot be split among them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from eval.report.inputs import ReportData, column_of
from eval.scoring.scored import mean

BINS = 10
CELL_WIDTH, CELL_HEIGHT = 64, 24
LEFT, TOP, BOTTOM = 70, 6, 46
TENTH = 100 // BINS


@dataclass(frozen=True)
class Heatmap:
    """scores[bin][length index] in percent, None where no sample lies there; `samples` of all tasks together."""

    column: str
    tasks: tuple[str, ...]
    lengths: tuple[int, ...]
    scores: tuple[tuple[float | None, ...], ...]
    samples: int


def heatmaps(data: ReportData) -> list[Heatmap]:
    """One for every column of the report that has needle samples."""
    found = [heatmap(data, column) for column in data.models]
    return [each for each in found if each.samples]


def heatmap(data: ReportData, column: str) -> Heatmap:
    """The needles of one model by one method of inference."""
    cells: dict[tuple[int, int], list[float]] = {}
    tasks = set()
    for score in data.scores:
        if column_of(score) != column or score["score"] is None:
            continue
        for row, value in zip(score["rows"], score["per_sample"], strict=True):
            if len(row.get("depths", ())) == 1 and value is not None:
                tasks.add(f"{score['benchmark']} {score['task']}")
                cells.setdefault((bin_of(row["depths"][0]), score["length"]), []).append(100 * value)
    lengths = tuple(sorted({length for _, length in cells}))
    scores = tuple(tuple(mean(cells.get((place, length), [])) for length in lengths) for place in range(BINS))
    return Heatmap(column, tuple(sorted(tasks)), lengths, scores, sum(map(len, cells.values())))


def bin_of(depth: float) -> int:
    """The tenth in which a share of the text lies; the very end belongs to the last."""
    return min(BINS - 1, int(depth * BINS))


def heatmap_svg(found: Heatmap) -> str:
    """The heatmap: lengths to the right, depths downwards, the percentage in every cell."""
    width = LEFT + CELL_WIDTH * len(found.lengths) + 10
    height = TOP + CELL_HEIGHT * BINS + BOTTOM
    title = f"Needles found by {found.column}, by length and depth"
    parts = [
        heat_cell(column, place, value) for place, line in enumerate(found.scores) for column, value in enumerate(line)
    ]
    parts += depth_labels()
    parts += length_labels(found.lengths)
    return (
        f'<svg class="heat" viewBox="0 0 {width} {height}" style="max-width: {width}px" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )


def heat_cell(column: int, place: int, value: float | None) -> str:
    """One cell, the fuller the colour the more was found; hatched out where there is no sample."""
    x, y = LEFT + column * CELL_WIDTH, TOP + place * CELL_HEIGHT
    box = f'x="{x + 1}" y="{y + 1}" width="{CELL_WIDTH - 2}" height="{CELL_HEIGHT - 2}"'
    if value is None:
        return f'<rect class="no-sample" {box}/>'
    return (
        f'<rect class="heat-cell" {box} fill-opacity="{0.06 + 0.74 * value / 100:.3f}"/>'
        f'<text class="heat-value" x="{x + CELL_WIDTH / 2}" y="{y + CELL_HEIGHT / 2 + 4}" text-anchor="middle">'
        f"{value:.0f}</text>"
    )


def depth_labels() -> list[str]:
    """The depths at the left, in percent."""
    return [
        f'<text class="tick" x="{LEFT - 8}" y="{TOP + place * CELL_HEIGHT + CELL_HEIGHT / 2 + 4}" text-anchor="end">'
        f"{place * TENTH}\u2013{(place + 1) * TENTH} %</text>"
        for place in range(BINS)
    ]


def length_labels(lengths: Sequence[int]) -> list[str]:
    """The lengths below, and what they are."""
    bottom = TOP + CELL_HEIGHT * BINS
    ticks = [
        f'<text class="tick" x="{LEFT + index * CELL_WIDTH + CELL_WIDTH / 2}" y="{bottom + 18}" text-anchor="middle">'
        f"{length:,}</text>"
        for index, length in enumerate(lengths)
    ]
    return [*ticks, f'<text class="label" x="{LEFT}" y="{bottom + 38}">length of the sample (tokens)</text>']
