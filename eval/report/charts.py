"""Charts as inline SVG: lines, bars and needle heatmaps; no script, colours from the page's style.

A cell of a needle heatmap is the mean score of the samples whose only needle lies in that tenth of a text of that
length; samples with several needles are left out, since one score cannot be split among them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from eval.report.inputs import ReportData, column_of
from eval.scoring.scored import mean

MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 64, 16, 12, 44


@dataclass(frozen=True)
class Series:
    """One line: points (x, y), a colour (index into the page's series colours), and how it is drawn."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    colour: int
    look: str = "line"  # line | faint | marks


@dataclass(frozen=True)
class Level:
    """A horizontal reference line with its name."""

    name: str
    y: float


@dataclass(frozen=True)
class Axes:
    """The plotted region in data and in pixels."""

    low_x: float
    high_x: float
    low_y: float
    high_y: float
    width: int
    height: int

    def x(self, value: float) -> float:
        """Pixel of a data x."""
        share = (value - self.low_x) / (self.high_x - self.low_x)
        return MARGIN_LEFT + share * (self.width - MARGIN_LEFT - MARGIN_RIGHT)

    def y(self, value: float) -> float:
        """Pixel of a data y; SVG counts downwards."""
        share = (value - self.low_y) / (self.high_y - self.low_y)
        return self.height - MARGIN_BOTTOM - share * (self.height - MARGIN_TOP - MARGIN_BOTTOM)


def line_chart(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    title: str,
    levels: Sequence[Level] = (),
    width: int = 760,
    height: int = 340,
) -> str:
    """An SVG of the series over a common x axis; labels state the units. Empty text where nothing was logged."""
    drawn = [line for line in series if len(line.xs)]
    if not drawn:
        return ""
    axes = fitted_axes(drawn, levels, width, height)
    parts = [grid(axes, x_label, y_label)]
    parts += [level_line(axes, level) for level in levels]
    parts += [drawn_series(axes, line) for line in drawn]
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def fitted_axes(series: Sequence[Series], levels: Sequence[Level], width: int, height: int) -> Axes:
    """Axes that hold every point and level, with a little room above and below."""
    xs = [x for line in series for x in line.xs]
    ys = [y for line in series for y in line.ys] + [level.y for level in levels]
    low, high = min(ys), max(ys)
    room = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    bottom = 0.0 if 0.0 <= low < room else low - room
    return Axes(min(xs), max(max(xs), min(xs) + 1), bottom, high + room, width, height)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between low and high, about as many as asked."""
    raw = (high - low) / about
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= raw)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [index * step for index in range(first, last + 1)]


def number(value: float) -> str:
    """A tick's text: plain where short, scientific where very small or large."""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:,.10g}" if abs(value) < 1 else f"{value:,.6g}"
    return f"{value:.3g}"


def grid(axes: Axes, x_label: str, y_label: str) -> str:
    """Grid lines, tick numbers and axis labels."""
    left, right = MARGIN_LEFT, axes.width - MARGIN_RIGHT
    bottom, middle = axes.height - MARGIN_BOTTOM, (MARGIN_TOP + axes.height - MARGIN_BOTTOM) / 2
    parts = []
    for tick in ticks(axes.low_y, axes.high_y):
        y = axes.y(tick)
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>')
    for tick in ticks(axes.low_x, axes.high_x, about=7):
        x = axes.x(tick)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{number(tick)}</text>')
    parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}"/>')
    for place, text in (
        (f'x="{(left + right) / 2}" y="{axes.height - 6}"', x_label),
        (f'transform="translate(14 {middle}) rotate(-90)"', y_label),
    ):
        parts.append(f'<text class="label" {place} text-anchor="middle">{escape(text)}</text>')
    return "".join(parts)


def level_line(axes: Axes, level: Level) -> str:
    """A dashed horizontal line with its name above its right end."""
    y = axes.y(level.y)
    right = axes.width - MARGIN_RIGHT
    return (
        f'<line class="level" x1="{MARGIN_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{right}" y="{y - 5:.1f}" text-anchor="end">{escape(level.name)}</text>'
    )


def drawn_series(axes: Axes, line: Series) -> str:
    """The points of a series as a line or as marks that tell their values when pointed at."""
    points = [(axes.x(x), axes.y(y)) for x, y in zip(line.xs, line.ys, strict=True)]
    colour = f"s{line.colour}"
    if line.look == "marks":
        return "".join(
            f'<circle class="mark {colour}" cx="{px:.1f}" cy="{py:.1f}" r="4"><title>'
            f"{escape(line.name)}, {number(x)}: {y:.4f}</title></circle>"
            for (px, py), x, y in zip(points, line.xs, line.ys, strict=True)
        )
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{line.look} {colour}" points="{path}"><title>{escape(line.name)}</title></polyline>'


def bar_chart(bars: Sequence[tuple[str, float, int | None]], *, x_label: str, title: str, width: int = 760) -> str:
    """Horizontal bars (name, value, colour; None is the neutral colour) from zero, each with its value at its end."""
    row, name_width, top = 30, 250, 6
    height = top + row * len(bars) + 34
    scale = (width - name_width - 90) / max(value for _, value, _ in bars)
    parts = []
    for index, (name, value, colour) in enumerate(bars):
        y, length = top + index * row, value * scale
        fill = "neutral" if colour is None else f"s{colour}"
        parts.append(
            f'<text class="name" x="{name_width - 10}" y="{y + 19}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="{fill}" x="{name_width}" y="{y + 5}" width="{length:.1f}" height="{row - 10}" rx="2"/>'
            f'<text class="value" x="{name_width + length + 8:.1f}" y="{y + 19}">{value:.3f}</text>'
        )
    parts.append(f'<line class="axis" x1="{name_width}" x2="{name_width}" y1="{top}" y2="{top + row * len(bars)}"/>')
    parts.append(f'<text class="label" x="{name_width}" y="{height - 8}">{escape(x_label)}</text>')
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """A legend above a chart: (class of the swatch, text) pairs."""
    items = "".join(f'<li><span class="swatch {look}"></span>{escape(text)}</li>' for look, text in entries)
    return f'<ul class="legend">{items}</ul>'


def smoothed(values: Sequence[float], reach: int) -> list[float]:
    """The mean of each value and its neighbours, `reach` on each side; fewer at the ends, alike on both sides."""
    result = []
    for index in range(len(values)):
        width = min(reach, index, len(values) - 1 - index)
        near = values[index - width : index + width + 1]
        result.append(math.fsum(near) / len(near))
    return result


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
    maps = [heatmap(data, column) for column in data.models]
    return [each for each in maps if each.samples]


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


def heatmap_svg(shown: Heatmap) -> str:
    """The heatmap: lengths to the right, depths downwards, the percentage in every cell."""
    width = LEFT + CELL_WIDTH * len(shown.lengths) + 10
    height = TOP + CELL_HEIGHT * BINS + BOTTOM
    title = f"Needles found by {shown.column}, by length and depth"
    parts = [
        heat_cell(column, place, value) for place, line in enumerate(shown.scores) for column, value in enumerate(line)
    ]
    parts += depth_labels()
    parts += length_labels(shown.lengths)
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
