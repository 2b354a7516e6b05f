"""The paper's tables with this run's rows beneath the published ones, ready for any format.

out: PaperTable: columns, and rows of cells; a column of the paper that this run has no number for holds a dash, and
     Table 2 gains a column for every length that the paper does not have
invariant: a table is there only where this run has a number for it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from contracts.errors import InputError
from eval.benchmarks.longbench.tasks import CATEGORIES, plain_name
from eval.registry import BENCHMARKS
from eval.report.inputs import ReportData, column_of
from eval.report.measured import BABILONG_TASKS, Measured, Measurements
from eval.report.published import PublishedTable, Value, published_tables
from eval.scoring.statistics import paired_t_test

LONGBENCH_COLUMNS = dict(zip(("S-Doc QA", "M-Doc QA", "Summ", "Few-shot", "Code"), CATEGORIES, strict=True))
HELMET_COLUMNS = {
    "Recall": "Recall",
    "RAG": "RAG",
    "ICL": "ICL",
    "Re-rank": "Re-rank",
    "QA": "LongQA",
    "Summ.": "Summ",
    "Cite": "Cite",
}
THIS_RUN = "This run"
DASH = "\u2013"
DIGITS = {"1": 2, "2": 2, "11": 1, "12": 2, "13": 2}
TOKENS_PER_K = 1024


@dataclass(frozen=True)
class Cell:
    """One number as text, its interval, and notes (a misprint, what is lacking)."""

    text: str = DASH
    low: str = ""
    high: str = ""
    note: str = ""
    misprint: bool = False


@dataclass(frozen=True)
class Row:
    """A model's cells, or with no cells the title of a group."""

    name: str
    kind: str
    type: str = ""
    cells: tuple[Cell, ...] = ()
    name_note: str = ""


@dataclass(frozen=True)
class PaperTable:
    """A table (or a figure, as a table) of the paper and of this run."""

    number: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    kind: str = "Table"

    @property
    def name(self) -> str:
        """How the paper calls it."""
        return f"{self.kind} {self.number}"

    @property
    def notes(self) -> list[str]:
        """What the table's footnotes say, in order, each once."""
        cells_by_note: dict[str, dict[str, list[str]]] = {}
        for row in self.rows:
            for column, cell in zip(self.columns, row.cells, strict=False):
                if cell.note:
                    cells_by_note.setdefault(cell.note, {}).setdefault(row.name, []).append(column)
        places = {
            note: "; ".join(f"{name}: {', '.join(columns)}" for name, columns in rows.items())
            for note, rows in cells_by_note.items()
        }
        names = [row.name_note for row in self.rows if row.name_note]
        return [*names, *(f"{note} ({place})" for note, place in places.items())]


def paper_tables(data: ReportData) -> list[PaperTable]:
    """The tables that this run has numbers for."""
    columns = {name: Measurements(data, name) for name in data.models}
    tables = [
        table_with(published_tables()["1"], columns, longbench_value),
        table_with(with_lengths(published_tables()["2"], columns.values()), columns, table_2_value),
        table_with(published_tables()["11"], columns, helmet_value),
        table_with(published_tables()["12"], columns, table_12_value),
        table_with(published_tables()["13"], columns, perplexity_value),
        t_test_table(published_tables()["14"], data),
    ]
    return [table for table in tables if table is not None]


def longbench_value(measurements: Measurements, column: str) -> Measured | None:
    """A column of Table 1."""
    return measurements.longbench(LONGBENCH_COLUMNS.get(column))


def helmet_value(measurements: Measurements, column: str) -> Measured | None:
    """A column of Table 11."""
    return measurements.helmet(HELMET_COLUMNS.get(column))


def perplexity_value(measurements: Measurements, column: str) -> Measured | None:
    """A column of Table 13."""
    return measurements.perplexity("longppl" if column == "LongPPL" else "perplexity")


def table_12_value(measurements: Measurements, column: str) -> Measured | None:
    """A column of Table 12."""
    if column == "BABILong Avg.":
        return measurements.mean_of_tasks("babilong", BABILONG_TASKS)
    return longbench_value(measurements, column)


def table_2_value(measurements: Measurements, column: str) -> Measured | None:
    """A column of Table 2: a benchmark at one length, LongPPL, or BABILong's mean over lengths."""
    if column == "LongPPL":
        return measurements.perplexity("longppl")
    benchmark, length = column.split(" ")
    tasks = BABILONG_TASKS if benchmark == "BABILong" else tuple(BENCHMARKS["ruler"].tasks)
    if length == "Avg.":
        return measurements.mean_of_tasks("babilong", tasks)
    for each in measurements.lengths(benchmark.lower()):
        if length_text(each) == length:
            return measurements.mean_of_tasks(benchmark.lower(), tasks, each)
    return None


def length_text(length: int) -> str:
    """A length as the paper writes it: 32K; below 1K in tokens."""
    return f"{length // TOKENS_PER_K}K" if length >= TOKENS_PER_K or length == 0 else str(length)


def with_lengths(table: PublishedTable, columns) -> PublishedTable:
    """Table 2 with a column for every length that was measured."""
    names: list[str] = []
    for benchmark in ("RULER", "BABILong"):
        printed = [name for name in table.columns if name.startswith(benchmark) and not name.endswith("Avg.")]
        lengths = {length for measurements in columns for length in measurements.lengths(benchmark.lower())}
        here = {f"{benchmark} {length_text(length)}" for length in lengths}
        names += sorted({*printed, *here}, key=length_of_column)
        names += ["LongPPL"] if benchmark == "RULER" else ["BABILong Avg."]
    return replace(table, columns=tuple(names))


def length_of_column(column: str) -> int:
    """The length that a column's name ends with (tokens)."""
    text = column.split(" ")[1]
    return int(text[:-1]) * TOKENS_PER_K if text.endswith("K") else int(text)


def table_with(
    table: PublishedTable, columns: dict[str, Measurements], value_of: Callable[[Measurements, str], Measured | None]
) -> PaperTable | None:
    """The published rows, then one row per column of the report that has a number; None where none has."""
    digits = DIGITS[table.number]
    own = []
    for name, measurements in columns.items():
        values = [value_of(measurements, column) for column in table.columns]
        if any(value is not None for value in values):
            shown = name if table.number != "11" else f"{name}, {measurements.helmet_length():,} tokens"
            own.append(Row(shown, "measured", cells=tuple(measured_cell(value, digits) for value in values)))
    if not own:
        return None
    rows = (*published_rows(table, digits), Row(THIS_RUN, "group"), *own)
    return PaperTable(table.number, table.caption, table.columns, rows)


def published_rows(table: PublishedTable, digits: int) -> list[Row]:
    """The rows of the paper, with the titles of their groups."""
    rows = []
    for title, members in table.groups:
        if title is not None:
            rows.append(Row(title, "group"))
        for member in members:
            cells = tuple(
                Cell(
                    printed(member.values.get(column), digits),
                    note=f"misprint in the paper: {member.misprints[column]}" if column in member.misprints else "",
                    misprint=column in member.misprints,
                )
                for column in table.columns
            )
            about = member.misprints.get("Models", "")
            note = f"{member.model}: misprint in the paper: {about}" if about else ""
            rows.append(Row(member.model, "published", member.type or "", cells, note))
    return rows


def printed(value: Value, digits: int) -> str:
    """A published value as the paper prints it."""
    return value if isinstance(value, str) else DASH if value is None else f"{value:.{digits}f}"


def measured_cell(value: Measured | None, digits: int) -> Cell:
    """A measured number as text."""
    if value is None:
        return Cell()
    low, high = ("" if end is None else f"{end:.{digits}f}" for end in (value.low, value.high))
    return Cell(f"{value.value:.{digits}f}", low, high, value.note)


def t_test_table(table: PublishedTable, data: ReportData) -> PaperTable | None:
    """Table 14: each later model against the first, sample by sample over the 12 sets."""
    by_model = {name: longbench_samples(data, name) for name in data.models}
    first, *others = [name for name, samples in by_model.items() if samples] or [None]
    rows = []
    for other in others:
        shared = sorted(by_model[first].keys() & by_model[other].keys())
        if len(shared) < 2:
            continue
        test = paired_t_test([by_model[first][key] for key in shared], [by_model[other][key] for key in shared])
        note = f"{len(shared):,} samples, mean difference {100 * test.mean_difference:+.2f} points"
        text = DASH if test.p_value is None else f"{test.p_value:.2e}"
        rows.append(Row(f"{first} v. {other}", "measured", cells=(Cell(text, note=note),)))
    if not rows:
        return None
    published = [
        replace(row, cells=tuple(Cell(f"{float(member.values[column]):.2e}") for column in table.columns))
        for (_, members) in table.groups
        for row, member in zip((Row(m.model, "published") for m in members), members, strict=True)
    ]
    return PaperTable("14", table.caption, table.columns, (*published, Row(THIS_RUN, "group"), *rows))


def longbench_samples(data: ReportData, column: str) -> dict[tuple, float]:
    """{(samples digest, set, index): score (0 to 1)} of the 12 sets: equal keys are the same sample."""
    wanted = {task for tasks in CATEGORIES.values() for task in tasks}
    values = {}
    for score in data.scores:
        if score["benchmark"] != "longbench" or column_of(score) != column or plain_task(score) not in wanted:
            continue
        digest = score["hashes"].get("samples_sha256", "")
        values |= {
            (digest, score["task"], index): value
            for index, value in enumerate(score["per_sample"])
            if value is not None
        }
    return values


def plain_task(score: dict) -> str:
    """The set of a LongBench score; nothing for a name that is none."""
    try:
        return plain_name(score["task"])
    except InputError:
        return ""
