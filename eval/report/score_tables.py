"""Every score: a table for each benchmark, tasks and lengths down, models and methods of inference across.

in : scores      out: HTML, and the same numbers as rows of a CSV file
A number is the score (0 to 100) with the standard error of the mean over its samples; for the two benchmarks that have
no score it is the perplexity.
"""

import csv
import io
from dataclasses import dataclass
from html import escape

from eval.report.inputs import ReportData, column_of
from eval.report.tables import significant, table
from eval.scoring.scored import standard_error

# Benchmarks whose number is no score, and the metric that it is.
LOWER_IS_BETTER = {"perplexity": "perplexity", "longppl": "longppl"}
HEAD = ("benchmark", "task", "length", "model", "number", "standard error", "samples")


@dataclass(frozen=True)
class Number:
    """One cell's number; `error` is None where it is no mean over samples, or of fewer than two."""

    value: float | None
    error: float | None
    samples: int


def number_of(score: dict) -> Number:
    """The number of one score.json."""
    if score["benchmark"] in LOWER_IS_BETTER:
        return Number(score["metrics"].get(LOWER_IS_BETTER[score["benchmark"]]), None, score["n"])
    error = standard_error([100 * value for value in score["per_sample"] if value is not None])
    return Number(score["score"], error, score["n"])


def numbers_by_benchmark(data: ReportData) -> dict[str, dict[tuple[str, int], dict[str, Number]]]:
    """{benchmark: {(task, length): {column: number}}}, in the order of the scores."""
    found: dict[str, dict[tuple[str, int], dict[str, Number]]] = {}
    for score in data.scores:
        cells = found.setdefault(score["benchmark"], {})
        cells.setdefault((score["task"], score["length"]), {})[column_of(score)] = number_of(score)
    return found


def scores_section(data: ReportData) -> str:
    """A table for every benchmark; nothing without scores."""
    tables = "".join(benchmark_table(data, name, cells) for name, cells in numbers_by_benchmark(data).items())
    if not tables:
        return ""
    return (
        "<p>The score of every task (0 to 100) with its standard error over samples; of perplexity and longppl the "
        "perplexity. The file scores.csv beside the paper's tables holds the same numbers.</p>" + tables
    )


def benchmark_table(data: ReportData, benchmark: str, cells: dict[tuple[str, int], dict[str, Number]]) -> str:
    """The table of one benchmark, with the columns that it has numbers for."""
    columns = [name for name in data.models if any(name in found for found in cells.values())]
    rows = []
    for (task, length), found in cells.items():
        samples = max(number.samples for number in found.values())
        numbers = "".join(number_cell(found.get(name)) for name in columns)
        rows.append(
            f'<tr><th scope="row">{escape(task)}</th><td class="n">{length:,}</td><td class="n">{samples}</td>'
            f"{numbers}</tr>"
        )
    better = "lower" if benchmark in LOWER_IS_BETTER else "higher"
    head = ["Task", "Tokens", "Samples", *columns]
    return f"<h3>{escape(benchmark)} ({better} is better)</h3>" + table(head, rows)


def number_cell(number: Number | None) -> str:
    """A number with its standard error in small print; a dash where there is none."""
    if number is None or number.value is None:
        return '<td class="n">&ndash;</td>'
    error = "" if number.error is None else f'<span class="detail">± {number.error:.2f}</span>'
    shown = significant(number.value) if number.error is None else f"{number.value:.2f}"
    return f'<td class="n">{shown}{error}</td>'


def scores_csv(data: ReportData) -> str:
    """Every number at full precision, one line for each cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEAD)
    for benchmark, cells in numbers_by_benchmark(data).items():
        for (task, length), found in cells.items():
            for column, number in found.items():
                writer.writerow([benchmark, task, length, column, number.value, number.error, number.samples])
    return out.getvalue()
