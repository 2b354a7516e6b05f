"""The paper's tables as printed (published.json), its own misprints marked, and what it says of a figure.

out: tables and figures by their numbers; a value is a number, a text ("> 100", as printed; of a figure, words of the
     paper), or None for a dash
"""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("published.json")
NAME_COLUMN = "Models"

Value = float | str | None


@dataclass(frozen=True)
class PublishedRow:
    """One model's printed values by column; `misprints` say what is wrong with which."""

    model: str
    type: str | None
    values: dict[str, Value]
    misprints: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PublishedTable:
    """One table: its columns, and its rows in titled groups."""

    number: str
    caption: str
    columns: tuple[str, ...]
    groups: tuple[tuple[str | None, tuple[PublishedRow, ...]], ...]


@cache
def published_tables() -> dict[str, PublishedTable]:
    """{number: table} of Tables 1, 2, 11, 12, 13 and 14."""
    tables = json.loads(FILE.read_text(encoding="utf-8"))["tables"]
    return {number: published_table(number, table) for number, table in tables.items()}


@cache
def published_figures() -> dict[str, PublishedTable]:
    """{number: table} of Figure 7."""
    figures = json.loads(FILE.read_text(encoding="utf-8"))["figures"]
    return {number: published_table(number, figure) for number, figure in figures.items()}


def published_table(number: str, table: dict) -> PublishedTable:
    """One table of the file."""
    groups = tuple(
        (
            group["title"],
            tuple(
                PublishedRow(row["model"], row.get("type"), row["values"], row.get("misprints", {}))
                for row in group["rows"]
            ),
        )
        for group in table["groups"]
    )
    return PublishedTable(number, table["caption"], tuple(table["columns"]), groups)
