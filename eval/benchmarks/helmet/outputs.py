"""What a scored row holds, and the numbers that every HELMET score has."""

from contracts.errors import InputError
from eval.scoring.scored import Scored, mean


def output_of(row: dict) -> str:
    """The output as HELMET scores it: the opening words that the prompt ended with, and what the model wrote."""
    return row.get("answer_prefix", "") + row["prediction"]


def field_of(row: dict, key: str) -> object:
    """What a metric needs besides prediction and answers; InputError where the predictions lack it."""
    if key not in row:
        raise InputError(
            f"prediction {row.get('id', '')}: has no '{key}', which this metric needs; add it to every line"
        )
    return row[key]


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
