"""Samples side by side (Table 15): one question, the right answers, and what every model said.

in : the paths of the scores; beside each lie its predictions, and in the run's folder its samples
out: for every benchmark that is answered in words the sample on which the models' scores differ most (the first where
     several do), as data and as a part of the page
invariant: only files whose digests are those that were scored are read. What is not there, as with scores of elsewhere,
is left out. Every text is data, never markup.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from contracts.files import is_file
from contracts.fingerprint import sha256_file
from eval.building.samples import numbered_json_lines, read_json_lines
from eval.registry import BENCHMARKS
from eval.report.inputs import column_of, read_score

# Longer texts are shown by their beginning, and what was asked by its end.
SHOWN_ANSWER, SHOWN_QUESTION = 600, 600
PREDICTIONS = ("predictions.jsonl", "predictions.jsonl.kept")


@dataclass(frozen=True)
class Exhibit:
    """One sample; `told` are (column, text, score from 0 to 1 or None) in the order of the report's columns."""

    benchmark: str
    task: str
    length: int
    id: str
    question: str
    answers: tuple[str, ...]
    told: tuple[tuple[str, str, float | None], ...]


def read_exhibits(paths: list[str]) -> list[Exhibit]:
    """One exhibit for every benchmark that has scored answers in words, in the registry's order."""
    by_benchmark: dict[str, dict[tuple[str, int], list[tuple[Path, dict]]]] = {}
    for path, score in ((Path(path), read_score(path)) for path in paths):
        if answered_in_words(score) and score.get("per_sample"):
            cells = by_benchmark.setdefault(score["benchmark"], {})
            cells.setdefault((score["task"], score["length"]), []).append((path, score))
    found = (exhibit(by_benchmark[name]) for name in BENCHMARKS if name in by_benchmark)
    return [each for each in found if each is not None]


def answered_in_words(score: dict) -> bool:
    """Whether a score is of texts; not of losses or tokens, nor of a task that is no longer there."""
    task = BENCHMARKS[score["benchmark"]].tasks.get(score["task"]) if score["benchmark"] in BENCHMARKS else None
    return task is not None and task.answer == "text"


def exhibit(cells: dict[tuple[str, int], list[tuple[Path, dict]]]) -> Exhibit | None:
    """The sample of a benchmark's cells on which the scores differ most; None where its texts are not at hand."""
    samples = [(cell, place) for cell in cells.values() for place in places(cell)]
    if not samples:
        return None
    # The first of the largest.
    return read_exhibit(*max(samples, key=lambda sample: spread(*sample)))


def places(cell: list[tuple[Path, dict]]) -> range:
    """The samples that every model of a cell was scored on."""
    return range(min(len(score["per_sample"]) for _, score in cell))


def spread(cell: list[tuple[Path, dict]], place: int) -> float:
    """The highest score of a sample minus the lowest; a sample without a score counts as 0."""
    scores = [score["per_sample"][place] or 0.0 for _, score in cell]
    return max(scores) - min(scores)


def read_exhibit(cell: list[tuple[Path, dict]], place: int) -> Exhibit | None:
    """The sample with its texts."""
    _, first = cell[0]
    identity = first["rows"][place]["id"]
    sample = read_sample(cell[0][0], first, identity)
    told = [
        (column_of(score), prediction, score["per_sample"][place])
        for path, score in cell
        if (prediction := read_prediction(path, score, identity)) is not None
    ]
    if sample is None or not {"input", "answers"} <= sample.keys() or not told:
        return None
    # What stands behind the long text is what was asked, in the words in which it was asked.
    asked = sample["input"][sample.get("context", (0, 0))[1] :] or sample.get("question") or sample["input"]
    return Exhibit(
        first["benchmark"],
        first["task"],
        first["length"],
        str(identity),
        ending(asked.strip(), SHOWN_QUESTION),
        tuple(beginning(str(answer), SHOWN_ANSWER) for answer in sample["answers"]),
        tuple((column, beginning(text.strip(), SHOWN_ANSWER), score) for column, text, score in told),
    )


def read_sample(path: Path, score: dict, identity: object) -> dict | None:
    """The sample of that id, from RUN/samples; None where that file is not the one that was scored."""
    # RUN/eval/MODEL/WAY/BENCHMARK/TASK/LENGTH/score.json
    run = Path(*path.absolute().parts[:-7])
    file = run / "samples" / score["benchmark"] / score["task"] / f"{score['length']}.jsonl"
    if not is_file(file) or sha256_file(file) != score["hashes"].get("samples_sha256"):
        return None
    return next((sample for _, sample in numbered_json_lines(file) if sample["id"] == identity), None)


def read_prediction(path: Path, score: dict, identity: object) -> str | None:
    """What a model said to the sample of that id; None where the predictions are not those that were scored."""
    for file in (path.with_name(name) for name in PREDICTIONS):
        if is_file(file) and sha256_file(file) == score["hashes"]["predictions_sha256"]:
            return next((line["prediction"] for line in read_json_lines(file) if line.get("id") == identity), None)
    return None


def beginning(text: str, most: int) -> str:
    """A text, or its beginning and how much is left out."""
    return text if len(text) <= most else f"{text[:most].rstrip()} … ({len(text) - most:,} characters more)"


def ending(text: str, most: int) -> str:
    """A text, or its end and how much is left out."""
    return text if len(text) <= most else f"({len(text) - most:,} characters before) … {text[-most:].lstrip()}"


def side_by_side_section(exhibits: list[Exhibit]) -> str:
    """The exhibits as HTML; empty where there is none."""
    if not exhibits:
        return ""
    return (
        "<p>For every benchmark the sample on which the models' scores differ most, so these samples are no average. "
        "The paper's Table 15 shows three of its own choice.</p>" + "".join(map(exhibit_html, exhibits))
    )


def exhibit_html(shown: Exhibit) -> str:
    """One exhibit: what was asked, then the right answers and every model's."""
    rows = "".join(answer_rows(shown))
    title = f"{shown.benchmark}, {shown.task}, {shown.length:,} tokens"
    return (
        f'<h3>{escape(title)}</h3><div class="scroll"><table class="side-by-side"><caption>{escape(shown.id)}</caption>'
        '<thead><tr><th scope="col">who</th><th scope="col">text</th><th scope="col" class="n">score</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def answer_rows(shown: Exhibit) -> Iterator[str]:
    """The lines of the table."""
    yield text_row("question", shown.question, "")
    yield text_row("right answer", " / ".join(shown.answers), "")
    for column, text, score in shown.told:
        yield text_row(column, text or "(nothing)", "" if score is None else f"{100 * score:.0f}")


def text_row(who: str, text: str, score: str) -> str:
    """One line; line breaks of the text are kept."""
    return f'<tr><th scope="row">{escape(who)}</th><td class="said">{escape(text)}</td><td class="n">{score}</td></tr>'
