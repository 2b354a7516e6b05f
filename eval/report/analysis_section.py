"""The report's part on instruments: what the answers rest on, model by model, with the paper's Figures 4, 5 and 14.

in : tables of `eval analyse` and folders of `eval figures`
out: for every model a table of areas under the curve, each against all other tokens and against interference facts
     alone, of right and of wrong answers, and with another row's answer as a control; the figures with their captions
invariant: a figure's SVG is taken as matplotlib wrote it; everything else is escaped.
"""

from collections.abc import Iterator
from html import escape

from eval.report.analyses import Analysis
from eval.report.tables import table

# (labels, answers, measure, heading)
COLUMNS = (
    ("true", "all", "auc", "against all tokens"),
    ("true", "all", "auc_against_interference", "against interference"),
    ("true", "right", "auc_against_interference", "right answers"),
    ("true", "wrong", "auc_against_interference", "wrong answers"),
    ("shuffled", "all", "auc_against_interference", "another row's answer"),
)
TEXT = (
    "<p>An area under the curve of 1 means that every token of a supporting fact has a higher score than any other "
    "token; 0.5 is chance. Telling facts from filler is easy. The column that counts is the one against interference "
    "facts, which look alike and are not needed. The last column is a control: the instrument is asked about an answer "
    "that belongs to another row, so what it finds there has nothing to do with the answer.</p>"
)


def analysis_section(analyses: list[Analysis], maps: tuple[tuple[str, str], ...]) -> str:
    """All models' tables, then their figures; nothing where nothing was looked at."""
    if not analyses and not maps:
        return ""
    tables = "".join(f"<h3>{escape(title(one))}</h3>{instrument_table(one.table)}" for one in analyses)
    figures = "".join(
        folded(f"{caption.partition('.')[0]}: {title(one)}", svg, caption)
        for one in analyses
        for svg, caption in one.figures
    )
    pictures = "".join(folded(caption.partition(".")[0], svg, caption) for svg, caption in maps)
    return TEXT + tables + figures + pictures


def title(one: Analysis) -> str:
    """Whose numbers these are."""
    rows = one.table["rows"]
    return (
        f"{one.model}, {one.task} at {one.length:,} tokens, {rows} rows of which it answers {one.table['right']} right"
    )


def instrument_table(found: dict) -> str:
    """A row for each instrument."""
    by_place = {
        (record["instrument"], record["labels"], record["answers"], record["measure"]): record
        for record in found["table"]
        if record["kind"] == "supporting"
    }
    titles = {record["instrument"]: record["title"] for record in found["table"]}
    rows = [
        f'<tr><th scope="row">{escape(words)}</th>'
        + "".join(cell(by_place.get((name, labels, answers, measure))) for labels, answers, measure, _ in COLUMNS)
        + "</tr>"
        for name, words in titles.items()
    ]
    return table(["Instrument", *(heading for *_, heading in COLUMNS)], rows)


def cell(record: dict | None) -> str:
    """A number with its interval over rows."""
    if record is None:
        return '<td class="n">&ndash;</td>'
    interval = f"{record['low']:.2f} to {record['high']:.2f}"
    return f'<td class="n"><span>{record["value"]:.3f}</span><span class="detail">{interval}</span></td>'


def folded(heading: str, svg: str, caption: str) -> str:
    """A figure that opens on a click, with its caption."""
    lines = "".join(f"<p>{escape(line)}</p>" for line in caption_lines(caption))
    return f'<details class="figure"><summary>{escape(heading)}</summary>{svg}{lines}</details>'


def caption_lines(caption: str) -> Iterator[str]:
    """The lines of a caption that say something."""
    return (line for line in caption.splitlines() if line.strip())
