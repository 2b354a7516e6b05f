"""The page: sections in the order in which a reader needs them, from the answer to the evidence."""

import json
from html import escape

from eval.report.analysis_section import analysis_section
from eval.report.charts import Level, Series, bar_chart, legend, line_chart, smoothed
from eval.report.data_charts import data_section
from eval.report.inputs import Curve, ReportData
from eval.report.notes import listed, notes, parameters_text, training_text, unigram_bound
from eval.report.paper_section import length_section, needle_section, paper_section, protocol_section
from eval.report.paper_tables import PaperTable
from eval.report.side_by_side import side_by_side_section
from eval.report.style import STYLE
from eval.report.tables import detection_table, headline_table, provenance_table, score_hash_table, scores_section
from eval.report.token_picture import picture, picture_legend


def page(data: ReportData, tables: list[PaperTable]) -> str:
    """The whole HTML document; `tables` are the paper's, with this run's rows."""
    parts = [
        section("results", "Results", results(data)),
        section("paper", "The paper's tables", paper_section(tables)),
        section("scores", "Every score", scores_section(data)),
        section("samples", "Samples side by side", side_by_side_section(data.exhibits)),
        section("lengths", "Scores by length", length_section(data)),
        section("needles", "Needles by length and depth", needle_section(data)),
        section("unigram", "Held-back loss against unigram entropy", unigram_section(data)),
        section("data", "What the models were trained on", data_section(data.data_summaries)),
        section("training", "Training", training_section(data)),
        section("methods", "What each method did, step by step", methods_section(data)),
        section("picture", "One text, seen by the model", picture_section(data)),
        section("detection", "Which tokens are critical", detection_section(data)),
        section("analysis", "What the answers rest on", analysis_section(data.analyses, data.maps)),
        section("protocol", "The protocol of every number", protocol_section(data)),
        section("provenance", "Settings and provenance", provenance_section(data)),
    ]
    links = "".join(f'<a href="#{name}">{escape(title)}</a>' for name, title, body in parts if body)
    body = "".join(
        f'<section id="{name}"><h2>{escape(title)}</h2>{content}</section>' for name, title, content in parts if content
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(data.run)}: evaluation report</title><style>{STYLE}</style></head>"
        f"<body><main>{head(data, links)}{body}</main></body></html>\n"
    )


def section(name: str, title: str, content: str) -> tuple[str, str, str]:
    """A section; one without content is left out."""
    return name, title, content


def head(data: ReportData, links: str) -> str:
    """Title, what was done, and the first finding."""
    return (
        f'<header><p class="kicker">Context Denoising Training, evaluation report</p><h1>{escape(data.run)}</h1>'
        f'<p class="lead">{lead(data)}</p><nav>{links}</nav></header>'
    )


def lead(data: ReportData) -> str:
    """Some sentences that say what the page compares and what came out."""
    about = f" ({size} each)" if (size := parameters_text(data)) else ""
    trained = escape(listed([curve.method for curve in data.curves]))
    read = f" {trained}: {words}." if (words := training_text(data)) else ""
    names = escape(listed(data.models)) or "no model"
    sentence = f"This page compares {names}{about} on held-back books and on long-context tasks.{read}"
    losses = [
        (score["metrics"]["nats_per_token"], unigram_bound(score["metrics"]["unigram"]))
        for cell in data.cells("perplexity", "books").values()
        for score in cell.values()
    ]
    if not losses:
        return f"{sentence}{needles_found(data)}"
    below = sum(loss < bound for loss, bound in losses)
    bound = min(bound for _, bound in losses)
    verdict = "every model loses less" if below == len(losses) else f"only {below} of {len(losses)} cells lose less"
    told = f"On the books {verdict} than the unigram entropy of {bound:.3f} nats per token."
    return f"{sentence} {told}{needles_found(data)}"


def needles_found(data: ReportData) -> str:
    """A sentence on the needle task at the shortest and the longest length; nothing without it."""
    cells = data.cells("ruler", "niah_single_1")
    if len(cells) < 2:
        return ""
    first, *_, last = cells
    shares = {
        model: [cells[length][model]["metrics"]["string_match_all"] for length in (first, last)]
        for model in data.models
        if model in cells[first] and model in cells[last]
    }
    found = ", ".join(f"{escape(model)} {near:.0f} and {far:.0f} %" for model, (near, far) in shares.items())
    return f" Needles found in {first:,} and in {last:,} tokens: {found}." if found else ""


def results(data: ReportData) -> str:
    """The headline table, and what to know before believing it."""
    if not data.scores:
        return ""
    remarks = "".join(f"<li>{escape(note)}</li>" for note in notes(data))
    shown = f'<ul class="notes">{remarks}</ul>' if remarks else ""
    text = (
        "<p>Every model answered the same samples. The last column is the mean difference sample by sample with its "
        "standard error; it is pale, and no winner is set in bold, where it is within two standard errors.</p>"
        if len(data.models) > 1
        else ""
    )
    return text + headline_table(data) + shown


def unigram_section(data: ReportData) -> str:
    """Bars: what each model loses per token against what frequencies alone would lose."""
    cells = data.cells("perplexity", "books")
    if not cells:
        return ""
    bars = []
    for length, cell in cells.items():
        for model, score in cell.items():
            name = f"{model}, {length:,} tokens"
            bars.append((name, score["metrics"]["nats_per_token"], colour_of(data, model)))
    unigram = next(iter(next(iter(cells.values())).values()))["metrics"]["unigram"]
    names = {
        "held_back_entropy": "unigram entropy, held-back books",
        "train_entropy": "unigram entropy, train books",
        "cross_entropy": "train frequencies on these rows",
    }
    bars += [(name, unigram[key], None) for key, name in names.items() if key in unigram]
    chart = bar_chart(bars, x_label="loss (nats per token)", title="Held-back loss and unigram entropy")
    return (
        "<p>The unigram entropy is what one loses on every token when one knows how often each token occurs and "
        "nothing about its neighbours. A model that has learnt anything from context is below it.</p>"
        f"<figure>{chart}</figure>"
    )


def colour_of(data: ReportData, name: str) -> int:
    """The colour of a model or method, the same in every chart."""
    names = list(dict.fromkeys([*(curve.method for curve in data.curves), *data.models]))
    return names.index(name) % 5


def training_section(data: ReportData) -> str:
    """Loss curves of all methods, and their difference step by step."""
    if not data.curves:
        return ""
    reach = max(1, max(len(curve.steps) for curve in data.curves) // 50)
    series = [line for curve in data.curves for line in loss_series(curve, colour_of(data, curve.method), reach)]
    entries = [
        (f"s{colour_of(data, curve.method)}", f"{curve.method} (mean of {2 * reach + 1} steps)")
        for curve in data.curves
    ]
    entries.append(("faint", "every step"))
    if any(curve.validation for curve in data.curves):
        entries.append(("marks", "validation rows"))
    chart = line_chart(
        series,
        x_label="training step",
        y_label="loss (nats per token)",
        title="Training loss of every method",
        levels=unigram_levels(data),
    )
    reasons = dict.fromkeys(f" {escape(curve.words['plain_loss_reason'])}" for curve in data.curves)
    explained = "".join(reason for reason in reasons if reason.strip())
    return (
        f"<p>All methods start from the same weights and read the same rows in the same order.{explained}</p>"
        f"<figure>{legend(entries)}{chart}</figure>{difference_chart(data)}"
    )


def loss_series(curve: Curve, colour: int, reach: int) -> list[Series]:
    """The loss of one method at every step, smoothed, and on the validation books."""
    steps, losses = curve.plain_losses()
    held = [(line["step"], line["validation_loss"]) for line in curve.validation]
    return [
        Series(f"{curve.method}, every step", steps, losses, colour, "faint"),
        Series(curve.method, steps, smoothed(losses, reach), colour),
        Series(f"{curve.method}, validation", [step for step, _ in held], [loss for _, loss in held], colour, "marks"),
    ]


def unigram_levels(data: ReportData) -> list[Level]:
    """The unigram entropy of the train books, where it is known."""
    for cell in data.cells("perplexity", "books").values():
        for score in cell.values():
            if "train_entropy" in score["metrics"]["unigram"]:
                return [Level("unigram entropy of the train books", score["metrics"]["unigram"]["train_entropy"])]
    return []


def difference_chart(data: ReportData) -> str:
    """Loss of the second method minus the first, step by step: curves that overlap hide it."""
    if len(data.curves) < 2:
        return ""
    first, second = data.curves[:2]
    losses = dict(zip(*first.plain_losses(), strict=True))
    points = [(step, loss - losses[step]) for step, loss in zip(*second.plain_losses(), strict=True) if step in losses]
    steps, values = [step for step, _ in points], [value for _, value in points]
    chart = line_chart(
        [Series(f"{second.method} minus {first.method}", steps, values, colour_of(data, second.method))],
        x_label="training step",
        y_label="nats per token",
        title=f"Loss of {second.method} minus loss of {first.method}",
        levels=[Level("equal", 0.0)],
        height=220,
    )
    title = f"{second.method} minus {first.method}, step by step"
    return f"<h3>{escape(title)}</h3><figure>{chart}</figure>"


def methods_section(data: ReportData) -> str:
    """What every method says of its own steps."""
    return "".join(
        f"<h3>{escape(curve.method)}</h3><p>{escape(curve.words['explanation'])}</p>{telemetry_charts(data, curve)}"
        for curve in data.curves
        if any(curve.telemetry(name)[0] for name in curve.words["columns"])
    )


def telemetry_charts(data: ReportData, curve: Curve) -> str:
    """Small charts of one method, one for each of its columns."""
    colour = colour_of(data, curve.method)
    figures = []
    for name, column in curve.words["columns"].items():
        steps, values = curve.telemetry(name)
        series = [Series(curve.method, steps, values, colour)]
        labels = {"x_label": "training step", "y_label": column["unit"], "title": column["title"]}
        chart = line_chart(series, **labels, width=460, height=250)
        figures.append(f"<figure><h4>{escape(column['title'])}</h4>{chart}</figure>")
    return f'<div class="pair">{"".join(figures)}</div>'


def picture_section(data: ReportData) -> str:
    """One text per model with its tokens coloured."""
    if not data.pictures:
        return ""
    return (
        "<p>One sample of the critical-token task. The loss is taken on the answer alone, at the very end. The darker "
        "a token, the more the loss would change if its embedding changed. A model that reads the text for its facts "
        "would darken the underlined facts; one that does not darkens mostly what stands next to the answer.</p>"
        + picture_legend()
        + "".join(picture(entry) for entry in data.pictures)
    )


def detection_section(data: ReportData) -> str:
    """The numbers behind the picture, over all samples."""
    if not any(score["benchmark"] == "hops" for score in data.scores):
        return ""
    return (
        "<p>Per kind: the share of its tokens that are critical (by the gradient: norm at or above the row's mean), "
        "and below it their mean score as a multiple of the row's mean. AUC: the chance that a supporting token has a "
        "higher score than another token of the text, or, for facts only, than a token of an interference fact; 0.5 is "
        "guessing. Means over rows.</p>" + detection_table(data)
    )


def provenance_section(data: ReportData) -> str:
    """Digests of everything, and the settings of every stage."""
    parts = []
    if data.scores:
        parts.append(f"<details><summary>What was scored</summary>{score_hash_table(data)}</details>")
    if data.manifests:
        parts.append("<h3>What made it</h3>" + provenance_table(data))
        parts += [
            f"<details><summary>Settings of {escape(entry['name'])}</summary>"
            f"<pre>{escape(json.dumps(entry['manifest'].get('settings', {}), indent=2))}</pre></details>"
            for entry in data.manifests
        ]
    intro = "<p>Digests are the first 16 characters of a SHA-256; report.json, beside this page, has them whole.</p>"
    return intro + "".join(parts) if parts else ""
