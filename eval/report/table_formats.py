"""One table as HTML, CSV and LaTeX.

HTML shows the interval under its number and the notes under the table; CSV has a column each for the number, the ends
of its interval and its note; LaTeX (booktabs) marks misprints and puts the interval behind the number.
"""

import csv
import io
from html import escape

from eval.report.paper_tables import DASH, Cell, PaperTable, Row

MISPRINT = "\u2020"
LATEX = str.maketrans(
    {
        "&": r"\&",
        "%": r"\%",
        "#": r"\#",
        "_": r"\_",
        "$": r"\$",
        "{": r"\{",
        "}": r"\}",
        DASH: "--",
        MISPRINT: r"$^\dagger$",
    }
)


def as_html(table: PaperTable) -> str:
    """The table with its caption and notes."""
    typed = any(row.type for row in table.rows)
    names = ["Models", *(["Type"] if typed else []), *table.columns]
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(html_row(row, typed, len(names)) for row in table.rows)
    notes = "".join(f"<li>{escape(note)}</li>" for note in table.notes)
    shown = f'<ul class="footnotes">{notes}</ul>' if notes else ""
    return (
        f'<div class="scroll"><table class="paper"><caption>{table.name} of the paper: '
        f"{escape(table.caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{shown}"
    )


def html_row(row: Row, typed: bool, width: int) -> str:
    """One row; a group's title spans the table."""
    if row.kind == "group":
        return f'<tr class="first"><th scope="rowgroup" colspan="{width}">{escape(row.name)}</th></tr>'
    kind = f"<td>{escape(row.type or DASH)}</td>" if typed else ""
    cells = "".join(f'<td class="n">{html_cell(cell)}</td>' for cell in row.cells)
    mark = MISPRINT if row.name_note else ""
    return f'<tr class="{row.kind}"><th scope="row">{escape(row.name)}{mark}</th>{kind}{cells}</tr>'


def html_cell(cell: Cell) -> str:
    """A number, its interval in small print, a mark where the paper errs or the number lacks something."""
    mark = MISPRINT if cell.misprint else "*" if cell.note else ""
    interval = f'<span class="detail">{cell.low} to {cell.high}</span>' if cell.low else ""
    return f"{escape(cell.text)}{mark}{interval}"


def as_csv(table: PaperTable) -> str:
    """The table with one line per model; group titles are the first column."""
    parts = [(column, f"{column} low", f"{column} high", f"{column} note") for column in table.columns]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["group", "model", "type", "source", *(name for names in parts for name in names)])
    group = ""
    for row in table.rows:
        if row.kind == "group":
            group = row.name
            continue
        cells = [value for cell in row.cells for value in (csv_number(cell), cell.low, cell.high, cell.note)]
        writer.writerow([group, row.name, row.type, row.kind, *cells])
    return out.getvalue()


def csv_number(cell: Cell) -> str:
    """The number; nothing for a dash."""
    return "" if cell.text == DASH else cell.text


def as_latex(table: PaperTable) -> str:
    """A table environment for booktabs."""
    typed = any(row.type for row in table.rows)
    names = ["Models", *(["Type"] if typed else []), *table.columns]
    lines = [
        r"\begin{table}",
        rf"\caption{{{escaped(table.caption)}. Published figures ({table.name}) and this run; 95\,\% bootstrap "
        r"intervals in brackets.}",
        rf"\begin{{tabular}}{{l{'l' if typed else ''}{'r' * len(table.columns)}}}",
        r"\toprule",
        " & ".join(map(escaped, names)) + r" \\",
    ]
    if table.rows[0].kind != "group":
        lines.append(r"\midrule")
    for row in table.rows:
        lines += latex_row(row, typed, len(names))
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\footnotesize {escaped(note)}" for note in table.notes]
    return "\n".join([*lines, r"\end{table}", ""])


def latex_row(row: Row, typed: bool, width: int) -> list[str]:
    """The lines of one row."""
    if row.kind == "group":
        return [r"\midrule", rf"\multicolumn{{{width}}}{{l}}{{\textit{{{escaped(row.name)}}}}} \\"]
    name = escaped(row.name + (MISPRINT if row.name_note else ""))
    kind = [escaped(row.type or DASH)] if typed else []
    return [" & ".join([name, *kind, *map(latex_cell, row.cells)]) + r" \\"]


def latex_cell(cell: Cell) -> str:
    """A number with its interval."""
    mark = MISPRINT if cell.misprint else "*" if cell.note else ""
    interval = rf" {{\scriptsize [{cell.low}, {cell.high}]}}" if cell.low else ""
    return escaped(cell.text + mark) + interval


def escaped(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return text.translate(LATEX)
