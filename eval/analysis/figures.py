"""A figure as files: SVG and PDF by matplotlib, its data as CSV and its caption as text beside them.

in : a function that draws on a matplotlib figure, records, a caption
out: NAME.svg, NAME.pdf, NAME.csv, NAME.txt
invariant: the same data give the same bytes: no dates, no random identifiers, glyphs as outlines.
matplotlib is optional: where it is not installed, the data and the caption are written, and one line says what is not.
Colours: Okabe and Ito's palette for lines and points, each with a mark or a dash of its own; cividis for maps. Both are
told apart with any colour vision.
"""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

from contracts.files import atomic_file, atomic_text
from eval.analysis.records import csv_text

# Masataka Okabe and Kei Ito, Color Universal Design (2008): black, orange, sky blue, bluish green, vermilion, blue,
# reddish purple, yellow.
OKABE_ITO = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#D55E00", "#0072B2", "#CC79A7", "#F0E442")
MAP_COLOURS = "cividis"
PALETTE_NOTE = (
    "Colours are those of Okabe and Ito (lines, points) or cividis (maps), which people with any colour vision tell "
    "apart; lines and points differ in their marks too."
)
STYLE = {
    "svg.hashsalt": "megatron-cdt",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#d9dde3",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "savefig.bbox": None,
}
UNDATED = {"svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None, "ModDate": None, "Creator": None}}


def has_matplotlib() -> bool:
    """Whether figures can be drawn here."""
    return importlib.util.find_spec("matplotlib") is not None


def write_figure(
    base: Path, draw: Callable, size: tuple[float, float], records: list[dict], caption: dict[str, str]
) -> list[Path]:
    """The files that were written. `draw(figure)` draws; `size` in inches; `caption` as caption_text takes it."""
    written = [base.with_name(f"{base.name}.csv"), base.with_name(f"{base.name}.txt")]
    atomic_text(written[0], csv_text(records))
    atomic_text(written[1], caption_text(caption))
    if not has_matplotlib():
        print(f"{base.name}: not drawn, matplotlib is not installed; its data are in {written[0]}", file=sys.stderr)
        return written
    return [*written, *drawn_files(base, draw, size)]


def drawn_files(base: Path, draw: Callable, size: tuple[float, float]) -> list[Path]:
    """NAME.svg and NAME.pdf."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    written = []
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        for ending, metadata in UNDATED.items():
            path = base.with_name(f"{base.name}.{ending}")
            with atomic_file(path) as temporary:
                figure.savefig(temporary, format=ending, metadata=metadata)
            written.append(path)
    return written


def caption_text(caption: dict[str, str]) -> str:
    """{"title", "data" (n, model), "published", "shows", "cannot"} as paragraphs."""
    told = {"title": "", "data": "Data: ", "published": "Published: ", "shows": "Shown here: ", "cannot": "Not shown: "}
    return "\n".join([*(f"{words}{caption[name]}" for name, words in told.items()), PALETTE_NOTE]) + "\n"
