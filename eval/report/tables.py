"""The tables of the report as HTML."""

from collections.abc import Sequence
from html import escape

from eval.report.comparison import HEADLINES, Difference, Headline, cell_difference, winner
from eval.report.inputs import ReportData
from eval.scoring.hops import KINDS


def significant(value: float | None, digits: int = 4) -> str:
    """A number for reading; a dash where there is none."""
    if value is None:
        return "&ndash;"
    if value != 0 and not 1e-3 <= abs(value) < 1e7:
        return f"{value:.{digits - 1}e}"
    decimals = max(0, digits - len(f"{abs(value):.0f}")) if abs(value) >= 1 else digits - 1
    return f"{value:,.{decimals}f}"


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
        cells = data.cells(headline.task)
        for position, (length, cell) in enumerate(cells.items()):
            row = headline_row(data, headline, length, cell)
            first = position == 0
            rows.append(
                f'<tr class="first">{task_cell(headline, len(cells))}{row}</tr>' if first else f"<tr>{row}</tr>"
            )
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
    best = winner(headline, difference)
    samples = max(score["samples"] for score in cell.values())
    numbers = "".join(model_cell(headline, cell.get(model), model == best) for model in data.models)
    compared = difference_cell(headline, difference) if len(data.models) > 1 else ""
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
    }.get(headline.task, lambda: "")()
    weight = "strong" if best else "span"
    return f'<td class="n"><{weight}>{shown}</{weight}><span class="detail">{escape(detail)}</span></td>'


def difference_cell(headline: Headline, difference: Difference | None) -> str:
    """The paired difference with its standard error, pale where it may be chance."""
    if difference is None:
        return '<td class="n">&ndash;</td>'
    error = "" if difference.error is None else f" ± {significant(difference.error, 3)}"
    look = "n" if difference.real else "n chance"
    return (
        f'<td class="{look}">{difference.value:+.4f}{error}<span class="detail">{escape(headline.row_unit)}</span></td>'
    )


def detection_table(data: ReportData) -> str:
    """Which kinds of tokens each model's gradients call critical."""
    rows = []
    for length, cell in data.cells("hops").items():
        for model, score in cell.items():
            metrics = score["metrics"]
            recall = "".join(f'<td class="n">{significant(metrics["recall"][kind], 3)}</td>' for kind in KINDS)
            norms = "".join(
                f'<td class="n">{significant(metrics["relative_norm"][kind], 3)}</td>' for kind in KINDS[:3]
            )
            auc = significant(metrics["auc_supporting_against_interference"], 3)
            rows.append(
                f'<tr><th scope="row">{escape(model)}</th><td class="n">{length:,}</td>{recall}{norms}'
                f'<td class="n">{auc}</td></tr>'
            )
    head = ["Model", "Tokens", *KINDS, *(f"norm: {kind}" for kind in KINDS[:3]), "AUC sup. vs interf."]
    return table(
        head,
        rows,
        "Share of the tokens of each kind that are critical (their norm is at or above the row's mean), and the mean "
        "norm of a kind as a multiple of the row's mean. Means over rows.",
    )


def provenance_table(data: ReportData) -> str:
    """Every stage's manifest, with the digests that an audit compares."""
    rows = []
    for entry in data.manifests:
        manifest = entry["manifest"]
        digests = (entry["sha256"], manifest.get("settings_sha256", ""), manifest.get("code_sha256", ""))
        cells = "".join(f'<td class="hash" title="{escape(text)}">{escape(text[:16])}</td>' for text in digests)
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
        cells = "".join(
            f'<td class="hash" title="{escape(text)}">{escape(text[:16]) or "&ndash;"}</td>' for text in digests
        )
        name = f"{score['model']} / {score['task']} / {score['length']}"
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>')
    return table(["Cell", "Samples", "Predictions", "Weights"], rows)
