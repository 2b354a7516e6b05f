"""Draw the paper's Figures 3, 4, 5 and 14 from what was measured: SVG and PDF, data as CSV and a caption beside them.

in : folders that `denoise`, `analyse` and `attention_maps` wrote, those that are given
out: OUTPUT/figure_4.svg, .pdf, .csv, .txt; figure_3, instruments (areas under the curve), figure_5 and figure_14 alike;
     without matplotlib the .csv and .txt alone
invariant: the same data give the same bytes.
run: python -m eval figures --denoising denoising --analysis analysis --maps maps --output figures
"""

import argparse
import csv
from pathlib import Path

from contracts.errors import InputError
from contracts.files import existing_file
from eval.analysis.instrument_figures import areas_figure, distribution_figure
from eval.analysis.paper_figures import denoising_figure, flow_figure, maps_figure
from eval.building.samples import read_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--denoising", metavar="FOLDER", help="output of `denoise`: Figure 4")
    parser.add_argument("--analysis", metavar="FOLDER", help="output of `analyse`: Figures 3 and 5, areas")
    parser.add_argument("--maps", metavar="FOLDER", help="output of `attention_maps`: Figure 14")
    parser.add_argument("--output", required=True, help="folder to write")


def run(arguments: argparse.Namespace) -> None:
    """Draw what was given."""
    output = Path(arguments.output)
    if not (arguments.denoising or arguments.analysis or arguments.maps):
        raise InputError("nothing to draw; give --denoising, --analysis or --maps")
    if arguments.denoising:
        denoising_figure(output / "figure_4", measured(arguments.denoising, "denoising.json", "denoise"))
    if arguments.analysis:
        table = measured(arguments.analysis, "table.json", "analyse")
        distribution_figure(output / "figure_3", table)
        areas_figure(output / "instruments", table)
        flow_figure(output / "figure_5", read_points(arguments.analysis), table["figure_5"], table["model"])
    if arguments.maps:
        maps_figure(output / "figure_14", measured(arguments.maps, "attention_maps.json", "attention_maps"))


def measured(folder: str, name: str, command: str) -> dict:
    """A file of numbers; InputError where the folder has none."""
    return read_json(existing_file(Path(folder) / name, f"run `python -m eval {command}` for it"))


def read_points(folder: str) -> list[dict]:
    """figure_5_points.csv with its numbers as numbers."""
    path = existing_file(
        Path(folder) / "figure_5_points.csv",
        "run `python -m eval analyse --instruments information_flow embedding_gradient` for it",
    )
    with open(path, encoding="utf-8", newline="") as lines:
        return [
            {**point, **{name: float(point[name]) for name in ("information_flow", "embedding_gradient")}}
            for point in csv.DictReader(lines)
        ]
