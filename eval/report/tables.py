"""The tables of the report as HTML."""

import math
from collections.abc import Sequence
from html import escape

from eval.benchmarks.hops.score import KINDS
from eval.report.comparison import HEADLINES, Difference, Headline, can_be_compared, cell_difference, winner
from eval.report.inputs import ReportData, column_of


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
        cells = data.cells(headline.benchmark, headline.task)
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
        "perplexity": lambda: f"{metrics['nats_per_token']:.4f} nats/token",
        "longppl": lambda: f"{metrics['key_tokens']:,} key tokens",
        "hops": lambda: f"recall {significant(metrics['recall']['supporting'], 3)}",
    }.get(headline.benchmark, lambda: "")()
    weight = "strong" if best else "span"
    return f'<td class="n"><{weight}>{shown}</{weight}><span class="detail">{escape(detail)}</span></td>'


def difference_cell(headline: Headline, difference: Difference | None, fair: bool) -> str:
    """The paired difference with its standard error, pale where it may be chance or is not fair."""
    if difference is None:
        return '<td class="n">&ndash;</td>'
    error = "" if difference.error is None else f" ± {significant(difference.error, 3)}"
    value = f"{difference.value:+.4f}" if difference.value else "0"
    look = "n" if difference.real and fair else "n chance"
    return f'<td class="{look}">{value}{error}<span class="detail">{escape(headline.row_unit)}</span></td>'


def detection_table(data: ReportData) -> str:
    """Which kinds of tokens each model's gradients call critical."""
    rows = []
    for length, cell in data.cells("hops", "3hop").items():
        for model, score in cell.items():
            metrics = score["metrics"]
            kinds = "".join(kind_cell(metrics, kind) for kind in KINDS)
            areas = "".join(
                f'<td class="n">{significant(metrics[key], 3)}</td>'
                for key in ("auc_supporting", "auc_supporting_against_interference")
            )
            rows.append(f'<tr><th scope="row">{escape(model)}</th><td class="n">{length:,}</td>{kinds}{areas}</tr>')
    return table(["Model", "Tokens", *KINDS, "AUC", "AUC, facts only"], rows)


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
        name = " / ".join([column_of(score), score["benchmark"], score["task"], str(score["length"])])
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    return table(["Cell", "Samples", "Predictions", "Weights"], rows)
