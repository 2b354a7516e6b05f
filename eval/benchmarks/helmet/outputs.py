"""What a scored row holds, and the numbers that every HELMET score has."""

from collections.abc import Callable

from contracts.errors import InputError
from eval.benchmarks.helmet.text_metrics import flat
from eval.scoring.scored import Scored, mean


def is_text(value: object) -> bool:
    """Whether a value is a text."""
    return isinstance(value, str)


def are_all(value: object, fits: Callable[[object], bool]) -> bool:
    """Whether a value is a list whose parts all fit."""
    return isinstance(value, list) and all(map(fits, value))


def are_some(value: object, fits: Callable[[object], bool]) -> bool:
    """The same of a list that is not empty."""
    return value != [] and are_all(value, fits)


def is_passage(value: object) -> bool:
    """Whether a value is a passage with its title."""
    return isinstance(value, dict) and is_text(value.get("title")) and is_text(value.get("sent", value.get("text")))


def is_sub_question(value: object) -> bool:
    """Whether a value is a sub-question with its short answers."""
    return isinstance(value, dict) and are_all(value.get("short_answers"), is_text)


def are_names(value: object) -> bool:
    """Whether a value is the name of an answer, or a list of its names."""
    return is_text(value) or are_some(value, is_text)


def are_grades(value: object) -> bool:
    """Whether a value tells the relevance of passages, by their ids."""
    return isinstance(value, dict) and value != {} and all(isinstance(grade, int) for grade in value.values())


# What metrics need besides prediction and answers: how it must look, and whether it does.
FORMS = {
    "answer_prefix": ("a text", is_text),
    "question": ("a text", is_text),
    "reference": ("a text", is_text),
    "keypoints": ("a list of texts", lambda value: are_all(value, is_text)),
    "qa_pairs": ('a list of {"short_answers": [texts]}', lambda value: are_some(value, is_sub_question)),
    "aliases": ("a list of the names of every answer", lambda value: are_some(value, are_names)),
    "documents": ('a list of {"title", "text"}', lambda value: are_all(value, is_passage)),
    "relevance": ("{passage id: whole number}", are_grades),
}


def field_of(row: dict, key: str) -> object:
    """What a metric needs besides prediction and answers; InputError where the row lacks it or it has another form."""
    form, fits = FORMS[key]
    if key not in row:
        raise InputError(
            f"prediction {row.get('id')}: has no '{key}' ({form}), which this metric needs; add it to every line"
        )
    if not fits(row[key]):
        raise InputError(f"prediction {row.get('id')}: '{key}' must be {form}; correct it in every line")
    return row[key]


def optional_field(row: dict, key: str) -> object | None:
    """The same where the row has it; None where it has not."""
    return None if row.get(key) is None else field_of(row, key)


def output_of(row: dict) -> str:
    """The output as HELMET scores it: the opening words that the prompt ended with, and what the model wrote."""
    return (optional_field(row, "answer_prefix") or "") + row["prediction"]


def answers_of(row: dict) -> list[str]:
    """The acceptable answers as one list; InputError where there is none."""
    answers = flat(row["answers"])
    if not answers:
        raise InputError(f"prediction {row.get('id')}: has no answers; give each at least one")
    return answers


def identity(row: dict, index: int) -> str | int:
    """The row's id; its number where predictions stand alone."""
    return row.get("id", index)


def depths(row: dict) -> dict:
    """{"depths": shares of the long text} where the sample says how deep its answers lie."""
    return {"depths": row["depths"]} if "depths" in row else {}


def scored(values: list[dict], names: tuple[str, ...], rows: list[dict], labels: dict) -> Scored:
    """The score of a task: the mean of its metrics' means over the samples that have them, times 100.

    `values` holds every sample's metrics (0 to 1, or None); `labels` say who judged, and go into `metrics`.
    """
    means = {name: mean([value[name] for value in values if value[name] is not None]) for name in names}
    known = [value for value in means.values() if value is not None]
    metrics = {name: None if value is None else 100 * value for name, value in means.items()}
    return Scored(
        metrics={**metrics, **labels},
        rows=[
            {"id": identity(row, index), **value, **depths(row)}
            for index, (row, value) in enumerate(zip(rows, values, strict=True))
        ],
        score=100 * mean(known) if known else None,
        per_sample=[mean([value[name] for name in names if value[name] is not None]) for value in values],
        headline={"labels": labels} if labels else {},
    )
