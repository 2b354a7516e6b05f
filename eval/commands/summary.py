"""Say in a terminal what came out of a run, and what to look at next.

in : --report  the report.json that `eval report` writes
out: the report's headline numbers, a column a model, on stdout
run: python -m eval summary --report results/demo/report.json
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from contracts.errors import InputError
from contracts.files import existing_file
from eval.building.samples import read_json
from eval.report.comparison import HEADLINES, Headline
from eval.report.inputs import ReportData
from eval.report.tables import significant


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--report", required=True, help="report.json of a run, e.g. results/demo/report.json")


def run(arguments: argparse.Namespace) -> None:
    """Print the summary."""
    numbers = read_json(existing_file(arguments.report, "let the run end first"))
    if not {"run", "scores", "curves"} <= numbers.keys():
        raise InputError(f"{arguments.report}: not the report.json of a run")
    data = ReportData(numbers["run"], numbers["scores"], [], [], [], [], {})
    trained = [curve["method"] for curve in numbers["curves"]]
    print("\n".join(summary(data, trained, Path(arguments.report).with_suffix(".html"))))


def summary(data: ReportData, trained: list[str], page: Path) -> Iterator[str]:
    """The lines of the screen."""
    others = [model for model in data.models if model not in trained]
    told = f"trained: {', '.join(trained)}" + (
        f"; beside them, not trained here: {', '.join(others)}" if others else ""
    )
    yield from ("", f"{data.run}: {told}", "")
    rows = [row for headline in HEADLINES for row in rows_of(data, headline)]
    if rows:
        yield from aligned([["", "tokens", *data.models], *rows])
    yield from (
        "",
        f"Intervals, pictures, what each method did at every step, and what not to believe: open {page}",
        f"Models, as Hugging Face folders: {page.parent / 'models'}",
    )


def rows_of(data: ReportData, headline: Headline) -> Iterator[list[str]]:
    """A task's numbers, one row a length; the title stands in the first."""
    arrow = "lower is better" if headline.better == "lower" else ""
    cells = data.cells(headline.benchmark, headline.task, headline.detector)
    for position, (length, cell) in enumerate(cells.items()):
        title = f"{headline.title}{f' ({arrow})' if arrow else ''}" if position == 0 else ""
        yield [title, f"{length:,}", *(number(headline, cell.get(model)) for model in data.models)]


def number(headline: Headline, score: dict | None) -> str:
    """A model's headline number; a dash where it has none."""
    value = None if score is None else score["metrics"][headline.metric]
    if value is None:
        return "-"
    return f"{value:.0f} {headline.unit}" if headline.unit == "%" else significant(value, 3)


def aligned(rows: list[list[str]]) -> Iterator[str]:
    """Rows as text: the first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join([first.ljust(widths[0]), *cells])
