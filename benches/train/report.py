"""Tables of a bench: for people as Markdown, for machines as JSON, from the same values.

Invariant: the Markdown file is a pure function of the JSON file.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from contracts.files import atomic_text


@dataclass(frozen=True)
class Table:
    """One measurement: its rows by column title, and what one must know to read them."""

    title: str
    rows: list[dict[str, object]]
    notes: list[str] = field(default_factory=list)


def bytes_text(count: float) -> str:
    """A number of bytes in MiB, readable."""
    return f"{count / 2**20:,.1f} MiB"


def verdict(met: bool) -> str:
    """Whether a row reaches the target that stands beside it."""
    return "met" if met else "MISSED"


def cell(value: object) -> str:
    """A value as a table shows it: four significant digits, whole numbers in full."""
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def markdown_table(table: Mapping) -> str:
    """A table with its notes, aligned so that it reads on a terminal too."""
    titles = list(table["rows"][0])
    lines = [titles, *([cell(row[title]) for title in titles] for row in table["rows"])]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    text = [f"| {' | '.join(word.rjust(width) for word, width in zip(line, widths, strict=True))} |" for line in lines]
    text.insert(1, f"|{'|'.join('-' * (width + 1) + ':' for width in widths)}|")
    notes = [f"* {note}" for note in table["notes"]]
    return "\n".join([f"## {table['title']}", "", *text, *([""] if notes else []), *notes, ""])


def markdown(result: Mapping) -> str:
    """The whole result: the run's circumstances first, then its tables."""
    facts = [f"* {name}: {value}" for name, value in result["run"].items()]
    return "\n".join([f"# {result['title']}", "", *facts, "", *(markdown_table(table) for table in result["tables"])])


def result_of(title: str, run: Mapping[str, object], tables: list[Table]) -> dict:
    """A bench's result as JSON values."""
    return {"title": title, "run": dict(run), "tables": [asdict(table) for table in tables]}


def write_result(result: Mapping, stem: Path) -> None:
    """STEM.json and STEM.md. Raises InputError where they cannot be written."""
    atomic_text(stem.with_suffix(".json"), json.dumps(result, indent=1) + "\n")
    atomic_text(stem.with_suffix(".md"), markdown(result))
