"""The tables of the report as HTML, and every score as CSV.

A number of the tables of all scores is the score (0 to 100) with the standard error of the mean over its samples; for
the two benchmarks that have no score it is the perplexity.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from html import escape
from itertools import product

from eval.benchmarks.hops.score import KINDS
from eval.detection.detectors import DETECTORS
from eval.report.comparison import (
    HEADLINES,
    PROBED_HOPS,
    Difference,
    Headline,
    can_be_compared,
    cell_difference,
    winner,
)
from eval.report.inputs import ReportData, column_of, row_of
from eval.scoring.scored import standard_error


def significant(value: float | None, digits: int = 4) -> str:
    """A number for reading; a dash where there is none."""
    if value is None:
        return "&ndash;"
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if not -4 < magnitude < 7:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}"


def table(head: Sequence[str], rows: Sequence[str], caption: str = "") -> str:
    """A table from header texts and ready-made rows."""
    cells = "".join(f"<th>{escape(text)}</th>" for text in head)
    shown = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll"><table>{shown}<thead><tr>{cells}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def headline_table(data: ReportData) -> str:
    """Models by tasks by lengths."""
    rows = []
    for headline in HEADLINES:
        cells = data.cells(headline.benchmark, headline.task, headline.detector)
        for position, (length, cell) in enumerate(cells.items()):
            row = headline_row(data, headline, length, cell)
            title = task_cell(headline, len(cells)) if position == 0 else ""
            rows.append(f'<tr class="first">{title}{row}</tr>' if title else f"<tr>{row}</tr>")
    compared = [f"{data.models[1]} minus {data.models[0]}"] if len(data.models) > 1 else []
    return table(["Task", "Tokens", "Samples", *data.models, *compared], rows)


def task_cell(headline: Headline, lengths: int) -> str:
    """The task's name, what it asks, and which way is better."""
    arrow = "↓ lower is better" if headline.better == "lower" else "↑ higher is better"
    return (
        f'<th scope="rowgroup" rowspan="{lengths}"><span class="task">{escape(headline.title)}</span>'
        f'<span class="better">{arrow}</span><span class="explain">{escape(headline.explanation)}</span></th>'
    )


def headline_row(data: ReportData, headline: Headline, length: int, cell: dict[str, dict]) -> str:
    """Length, samples, one number per model, and the difference of the first two."""
    difference = cell_difference(headline, data.models, cell)
    fair = can_be_compared(headline, cell)
    best = winner(headline, difference) if fair else None
    samples = max(score["n"] for score in cell.values())
    numbers = "".join(model_cell(headline, cell.get(model), model == best) for model in data.models)
    compared = difference_cell(headline, difference, fair) if len(data.models) > 1 else ""
    return f'<td class="n">{length:,}</td><td class="n">{samples}</td>{numbers}{compared}'


def model_cell(headline: Headline, score: dict | None, best: bool) -> str:
    """One model's headline number, with the number behind it in small print."""
    if score is None:
        return '<td class="n">&ndash;</td>'
    metrics = score["metrics"]
    value = metrics[headline.metric]
    shown = f"{value:.1f} {headline.unit}" if headline.unit and value is not None else significant(value)
    detail = {
        "perplexity": lambda: f"{metrics['nats_per_token']:.4f} nats",
        "longppl": lambda: f"{metrics['key_tokens']:,} key tokens",
    }.get(headline.benchmark, lambda: spread(headline, score))()
    weight = "strong" if best else "span"
    return f'<td class="n"><{weight}>{shown}</{weight}><span class="detail">{escape(detail)}</span></td>'


def spread(headline: Headline, score: dict) -> str:
    """The standard error of a mean over samples, where there are two or more."""
    error = standard_error([value for value in map(headline.of_row, score["rows"]) if value is not None])
    return "" if error is None else f"± {significant(error, 2)}"


def difference_cell(headline: Headline, difference: Difference | None, fair: bool) -> str:
    """The paired difference with its standard error, pale where it may be chance or is not fair."""
    if difference is None:
        return '<td class="n">&ndash;</td>'
    error = "" if difference.error is None else f" ± {significant(difference.error, 3)}"
    value = f"{'+' if difference.value > 0 else ''}{significant(difference.value, 3)}"
    look = "n" if difference.real and fair else "n chance"
    return f'<td class="{look}">{value}{error}<span class="detail">{escape(headline.row_unit)}</span></td>'


def detection_table(data: ReportData) -> str:
    """Which kinds of tokens each detector calls critical in each model."""
    rows = []
    for hops, (name, detector) in product(PROBED_HOPS, DETECTORS.items()):
        for length, cell in data.cells("hops", f"{hops}hop", name).items():
            for model, score in cell.items():
                metrics = score["metrics"]
                kinds = "".join(kind_cell(metrics, kind) for kind in KINDS)
                areas = "".join(
                    f'<td class="n">{significant(metrics[key], 3)}</td>'
                    for key in ("auc_supporting", "auc_supporting_against_interference")
                )
                named = f'<th scope="row">{escape(model)}</th><td>{escape(detector.title)}</td>'
                places = "".join(f'<td class="n">{number:,}</td>' for number in (hops, length))
                rows.append(f"<tr>{named}{places}{kinds}{areas}</tr>")
    return table(["Model", "Detector", "Hops", "Tokens", *KINDS, "AUC", "AUC, facts only"], rows)


def kind_cell(metrics: dict, kind: str) -> str:
    """Share of a kind's tokens that are critical, and their mean norm over the row's."""
    recall, norm = metrics["recall"][kind], metrics["relative_norm"][kind]
    shown = "&ndash;" if recall is None else f"{100 * recall:.1f} %"
    return f'<td class="n">{shown}<span class="detail">norm {significant(norm, 3)}</span></td>'


def digest_cell(digest: str) -> str:
    """The first 16 characters of a digest, the whole of it when pointed at."""
    return f'<td class="hash" title="{escape(digest)}">{escape(digest[:16]) or "&ndash;"}</td>'


def provenance_table(data: ReportData) -> str:
    """Every stage's manifest, with the digests that an audit compares."""
    rows = []
    for entry in data.manifests:
        manifest = entry["manifest"]
        digests = (entry["sha256"], manifest.get("settings_sha256", ""), manifest.get("code_sha256", ""))
        cells = "".join(map(digest_cell, digests))
        rows.append(
            f'<tr><th scope="row">{escape(entry["name"])}</th>{cells}<td class="n">{manifest.get("seed")}</td></tr>'
        )
    return table(["Stage", "Manifest", "Settings", "Code", "Seed"], rows)


def score_hash_table(data: ReportData) -> str:
    """What every cell scored: digests of samples, predictions and weights."""
    rows = []
    for score in data.scores:
        digests = (
            score["hashes"]["samples_sha256"],
            score["hashes"]["predictions_sha256"],
            score["answered_by"].get("model_sha256", ""),
        )
        cells = "".join(map(digest_cell, digests))
        name = " / ".join([column_of(score), score["benchmark"], row_of(score), str(score["length"])])
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    return table(["Cell", "Samples", "Predictions", "Weights"], rows)


# Benchmarks whose number is no score, and the metric that it is.
LOWER_IS_BETTER = {"perplexity": "perplexity", "longppl": "longppl"}
HEAD = ("benchmark", "task", "length", "model", "number", "standard error", "samples", "judged by")


@dataclass(frozen=True)
class Number:
    """One cell's number; `error` is None where it is no mean over samples, or of fewer than two. `judged_by` names what
    stands behind the metric, where there are several.
    """

    value: float | None
    error: float | None
    samples: int
    judged_by: str = ""


def number_of(score: dict) -> Number:
    """The number of one score.json."""
    if score["benchmark"] in LOWER_IS_BETTER:
        return Number(score["metrics"].get(LOWER_IS_BETTER[score["benchmark"]]), None, score["n"])
    error = standard_error([100 * value for value in score["per_sample"] if value is not None])
    return Number(score["score"], error, score["n"], ", ".join(score.get("labels", {}).values()))


def numbers_by_benchmark(data: ReportData) -> dict[str, dict[tuple[str, int], dict[str, Number]]]:
    """{benchmark: {(task, length): {column: number}}}, tasks in the order of the scores, lengths ascending.

    A detector has a row of its own.
    """
    numbers: dict[str, dict[tuple[str, int], dict[str, Number]]] = {}
    rows = {(score["benchmark"], row_of(score)): None for score in data.scores}
    places = {row: place for place, row in enumerate(rows)}
    ordered = sorted(data.scores, key=lambda each: (places[each["benchmark"], row_of(each)], each["length"]))
    for score in ordered:
        cells = numbers.setdefault(score["benchmark"], {})
        cells.setdefault((row_of(score), score["length"]), {})[column_of(score)] = number_of(score)
    return numbers


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
    columns = [name for name in data.models if any(name in by_column for by_column in cells.values())]
    rows = []
    for (task, length), by_column in cells.items():
        samples = max(number.samples for number in by_column.values())
        judges = "; ".join(sorted({number.judged_by for number in by_column.values()} - {""}))
        judged = f'<span class="detail">{escape(judges)}</span>' if judges else ""
        numbers = "".join(number_cell(by_column.get(name)) for name in columns)
        rows.append(
            f'<tr><th scope="row">{escape(task)}{judged}</th><td class="n">{length:,}</td><td class="n">{samples}</td>'
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
        for (task, length), by_column in cells.items():
            for column, number in by_column.items():
                writer.writerow([benchmark, task, length, column, *astuple(number)])
    return out.getvalue()
