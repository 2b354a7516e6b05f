"""The sections on the benchmarks: the paper's tables, curves by length, needle heatmaps, every number's protocol."""

import json
from html import escape

from eval.report.charts import Series, heatmap_svg, heatmaps, legend, line_chart
from eval.report.inputs import ReportData, column_of, row_of
from eval.report.paper_tables import PaperTable
from eval.report.table_formats import as_html
from eval.report.tables import digest_cell, table
from eval.scoring.scored import mean

COLOURS = 5


def paper_section(tables: list[PaperTable]) -> str:
    """The paper's tables, this run's rows beneath the published ones."""
    if not tables:
        return ""
    return (
        "<p>Published figures as printed, and this run's beneath them; they compare only where models, data and "
        "protocol are the paper's. Small print: 95 % interval by bootstrap over samples (10,000 resamples, each task "
        "or bucket by itself). &dagger; marks misprints of the paper, * what a number lacks or rests on; the lists "
        "under the tables say what. The same tables lie beside this page as CSV and LaTeX.</p>"
        + "".join(map(as_html, tables))
    )


def length_section(data: ReportData) -> str:
    """Mean score over tasks against length, for every benchmark with two lengths or more."""
    charts = [length_chart(data, benchmark) for benchmark in dict.fromkeys(s["benchmark"] for s in data.scores)]
    drawn = "".join(chart for chart in charts if chart)
    if not drawn:
        return ""
    entries = [(f"s{index % COLOURS}", name) for index, name in enumerate(data.models)]
    return f'{legend(entries)}<div class="pair">{drawn}</div>'


def length_chart(data: ReportData, benchmark: str) -> str:
    """One benchmark's curves; nothing where there are fewer than two lengths with scores."""
    scores = [score for score in data.scores if score["benchmark"] == benchmark and score["score"] is not None]
    lengths = sorted({score["length"] for score in scores})
    if len(lengths) < 2:
        return ""
    series = []
    for index, name in enumerate(data.models):
        means = {
            length: mean([s["score"] for s in scores if s["length"] == length and column_of(s) == name])
            for length in lengths
        }
        reached = [length for length in lengths if means[length] is not None]
        for look in ("line", "marks"):
            series.append(Series(name, reached, [means[length] for length in reached], index % COLOURS, look))
    chart = line_chart(
        series,
        x_label="length (tokens)",
        y_label="mean score over tasks",
        title=f"{benchmark} by length",
        width=460,
        height=250,
    )
    return f"<figure><h3>{escape(benchmark)}</h3>{chart}</figure>"


def needle_section(data: ReportData) -> str:
    """A heatmap for every model."""
    maps = heatmaps(data)
    if not maps:
        return ""
    figures = "".join(
        f"<figure><h3>{escape(each.column)}</h3>{heatmap_svg(each)}<figcaption>{each.samples:,} samples of "
        f"{escape(', '.join(each.tasks))}</figcaption></figure>"
        for each in maps
    )
    return (
        "<p>Percentage of needles found, by the length of the text and by how deep the needle lies in it (0 % is the "
        f'beginning). Only samples with a single needle.</p><div class="pair">{figures}</div>'
    )


def protocol_section(data: ReportData) -> str:
    """How every number came about, one line per cell."""
    if not data.scores:
        return ""
    rows = []
    for line in protocol(data):
        digests = "".join(digest_cell(line[name]) for name in ("samples", "predictions", "code"))
        words = "".join(f"<td>{escape(str(line[name]))}</td>" for name in ("inference", "template", "judges"))
        settings = escape(json.dumps(line["settings"], sort_keys=True))
        rows.append(
            f'<tr><th scope="row">{escape(line["cell"])}</th><td class="n">{line["n"]}</td>{words}'
            f"<td><details><summary>settings</summary><pre>{settings}</pre></details></td>{digests}</tr>"
        )
    head = ("Cell", "Samples", "Inference", "Template", "Judged by", "Settings", "Samples", "Predictions", "Code")
    return (
        "<p>Lengths count the generated tokens in. The settings say how samples are made and cut; the digests are of "
        "the very files.</p><details><summary>Every cell</summary>" + table(head, rows) + "</details>"
    )


def protocol(data: ReportData) -> list[dict]:
    """One entry per scored cell: {"cell", "n", "inference", "template", "judges", "settings", digests}."""
    return [
        {
            "cell": f"{column_of(score)} / {score['benchmark']} / {row_of(score)} / {score['length']}",
            "n": score["n"],
            "inference": inference_text(score),
            "template": template_text(score.get("settings", {})),
            "judges": ", ".join(score.get("labels", {}).values()) or "metric",
            "settings": score.get("settings", {}).get("benchmarks", {}).get(score["benchmark"], {}),
            "samples": score["hashes"].get("samples_sha256", ""),
            "predictions": score["hashes"].get("predictions_sha256", ""),
            "code": score["hashes"].get("code_sha256", ""),
        }
        for score in data.scores
    ]


def inference_text(score: dict) -> str:
    """The method of inference, and the backend where the predictions name one."""
    backend = score.get("answered_by", {}).get("backend")
    name = score.get("inference", "dense")
    return f"{name}, {backend}" if isinstance(backend, str) else name


def template_text(settings: dict) -> str:
    """What stands around a prompt: a chat template, BOS, or nothing."""
    if settings.get("chat_template"):
        return f"chat template {settings['chat_template']} ({settings.get('chat_date')})"
    return "plain, with BOS" if settings.get("begin_with_bos") else "plain"
