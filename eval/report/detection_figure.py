"""Figure 7 of the paper as a table: which kinds of tokens each detector of the multi-hop probe finds.

in : scores of the probe
out: a PaperTable: for every model and detector the shares of the found tokens that are critical (supporting or
     interference facts), irrelevant or rare, and how many are found in a text; nothing where the run has no probe
As in the paper, gradients and attention find their top tokens; LongPPL finds the tokens that meet its two conditions,
and here its top tokens too. The paper draws this and prints no numbers: its rows hold the words of its text.
"""

from collections.abc import Iterator

from eval.benchmarks.hops.score import FACT_KINDS
from eval.detection.detectors import DETECTORS
from eval.report.inputs import ReportData, column_of
from eval.report.measured import Measured, lacking, present, with_interval
from eval.report.paper_tables import THIS_RUN, PaperTable, Row, measured_cell, published_rows
from eval.report.published import published_figures
from eval.scoring.scored import mean

FIGURE = "7"
DIGITS = 1
HOPS = (2, 3, 4)
KINDS_OF = {
    "Critical": FACT_KINDS,
    "Supporting": ("supporting",),
    "Interference": ("interference",),
    "Irrelevant": ("irrelevant",),
    "Low-frequency": ("emoji",),
}
# What tells the kinds of a row's found tokens, and how many they are: of the top tokens, and by a rule of its own.
TOP, OWN = ("top_precision", "top_tokens"), ("precision", "critical_tokens")


def paper_figures(data: ReportData) -> list[PaperTable]:
    """Figure 7: the words of the paper, then a row for every model and detector; none without the probe."""
    figure = published_figures()[FIGURE]
    own = [row for model in data.models for row in detector_rows(data, model, figure.columns)]
    if not own:
        return []
    rows = (*published_rows(figure, DIGITS), Row(THIS_RUN, "group"), *own)
    return [PaperTable(FIGURE, figure.caption, figure.columns, rows, kind="Figure")]


def detector_rows(data: ReportData, model: str, columns: tuple[str, ...]) -> Iterator[Row]:
    """The rows of one model."""
    for detector, described in DETECTORS.items():
        scores = [
            score
            for score in data.scores
            if column_of(score) == model and score["benchmark"] == "hops" and score["detector"] == detector
        ]
        if not scores:
            continue
        measured_tasks = {score["task"] for score in scores}
        note = protocol_note(scores, [hops for hops in HOPS if f"{hops}hop" not in measured_tasks])
        ways = {f"top {most_top_tokens(scores)}": TOP, **({described.own_rule: OWN} if described.own_rule else {})}
        for way, found_by in ways.items():
            cells = tuple(measured_cell(found_tokens(scores, column, found_by, note), DIGITS) for column in columns)
            yield Row(f"{model}, {described.title}, {way}", "measured", cells=cells)


def found_tokens(scores: list[dict], column: str, found_by: tuple[str, str], note: str) -> Measured | None:
    """A column of one detector: the mean of its cells' means over texts; None where it found no token anywhere."""
    share, count = found_by
    kinds = KINDS_OF.get(column)
    groups = [
        present([kinds_share(row[share], kinds) if kinds else row[count] for row in score["rows"]]) for score in scores
    ]
    filled = [values for values in groups if values]
    if not filled:
        return None
    weight = (100.0 if kinds else 1.0) / len(filled)
    return with_interval(weight * sum(map(mean, filled)), filled, [weight] * len(filled), note)


def kinds_share(shares: dict[str, float | None], kinds: tuple[str, ...]) -> float | None:
    """The share of a row's found tokens that are of these kinds; None where it found none."""
    values = present([shares[kind] for kind in kinds])
    return sum(values) if values else None


def protocol_note(scores: list[dict], absent: list[int]) -> str:
    """On how many texts of what lengths a row of the table rests, and which hops it lacks."""
    lengths = ", ".join(f"{length:,}" for length in sorted({score["length"] for score in scores}))
    texts = sum(score["n"] for score in scores)
    missing = lacking([f"{hops} hops" for hops in absent], "numbers of hops")
    return "; ".join(filter(None, [f"{texts:,} texts of {lengths} tokens", missing]))


def most_top_tokens(scores: list[dict]) -> int:
    """How many top tokens were looked at in a text."""
    return max(row["top_tokens"] for score in scores for row in score["rows"])
