"""Draw the histograms of a folder: lengths, supporting passages, and where those lie.

in : the dict that data_prep.inspection made      out: an SVG or PNG file
Invariant: nothing is computed here; the same dict gives the same bytes.
"""

from pathlib import Path

import matplotlib

from contracts.files import atomic_file
from data_prep.summary import TITLES

WIDTH, HEIGHT = 6.0, 2.4  # inches, of one histogram


def draw_histograms(found: dict, path: Path) -> None:
    """One panel for each histogram of `found`, below each other."""
    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = "data_prep"
    from matplotlib import pyplot

    names = [name for name in TITLES if found.get(name, {}).get("histogram")]
    figure, panels = pyplot.subplots(max(len(names), 1), 1, figsize=(WIDTH, HEIGHT * max(len(names), 1)), squeeze=False)
    for panel, name in zip(panels[:, 0], names, strict=False):
        bins = found[name]["histogram"]
        starts, widths = [entry["from"] for entry in bins], [entry["below"] - entry["from"] for entry in bins]
        panel.bar(starts, [entry["count"] for entry in bins], widths, align="edge", edgecolor="white", linewidth=0.5)
        panel.axvline(found[name]["median"], color="black", linewidth=1, linestyle="--")
        panel.set_xlabel(f"{TITLES[name]} (dashed: median {found[name]['median']:,.0f})")
        panel.set_ylabel("count")
        panel.spines[["top", "right"]].set_visible(False)
        panel.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    figure.tight_layout()
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format=path.suffix.removeprefix(".") or "svg", metadata={"Date": None})
    pyplot.close(figure)
