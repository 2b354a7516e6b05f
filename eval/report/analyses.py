"""What the report shows of instruments: tables of `eval analyse`, and figures of `eval figures` with their captions."""

from dataclasses import dataclass
from pathlib import Path

from contracts.errors import InputError
from contracts.files import existing_file
from eval.building.samples import read_json


@dataclass(frozen=True)
class Analysis:
    """The instruments of one model on one cell: `table` as `analyse` wrote it, figures as (SVG, caption)."""

    model: str
    task: str
    length: int
    table: dict
    figures: tuple[tuple[str, str], ...]


def read_analysis(model: str, task: str, length: str, table_path: str, folder: str) -> Analysis:
    """One cell; InputError names what is absent."""
    found = read_json(existing_file(table_path, "run `python -m eval analyse` for it"))
    if "table" not in found:
        raise InputError(f"{table_path}: not a table of `python -m eval analyse`")
    return Analysis(model, task, int(length), found, read_figures(folder))


def read_figures(folder: str) -> tuple[tuple[str, str], ...]:
    """(SVG without its XML header, caption) of every figure of a folder, by number; none without matplotlib."""
    paths = sorted(Path(folder).glob("*.svg"), key=order_of)
    return tuple(
        (svg[svg.index("<svg") :], path.with_suffix(".txt").read_text(encoding="utf-8"))
        for path in paths
        for svg in [path.read_text(encoding="utf-8")]
    )


def order_of(path: Path) -> tuple[int, str]:
    """The paper's figures by number, then the others by name."""
    name, _, number = path.stem.partition("_")
    return (int(number), "") if name == "figure" and number.isdigit() else (1000, path.stem)
