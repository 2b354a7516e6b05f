"""LongBench-E's table: sets, the 5 categories and their mean, as the paper's Table 1 has them.

in : score.json of the sets of one model and one method of inference
out: {"lengths": {length: {"tasks", "synthetic", "categories", "average", "missing"}}, "score"}
invariant: a set counts as the mean of its filled buckets (musique, which has no -E edition, as its plain mean), a
category as the mean of its sets; the average exists only where no set of the 12 is missing, and the synthetic two never
enter it.
"""

from eval.benchmarks.longbench.tasks import CATEGORIES, SYNTHETIC, WITHOUT_E_EDITION, plain_name
from eval.scoring.scored import mean


def aggregate(scores: list[dict]) -> dict:
    """The table's numbers for every length; `score` is the average over lengths."""
    lengths = {}
    for length in sorted({score["length"] for score in scores}):
        cells = {plain_name(score["task"]): score for score in scores if score["length"] == length}
        lengths[str(length)] = table({name: set_score(name, cell) for name, cell in cells.items()})
    averages = [entry["average"] for entry in lengths.values()]
    return {"lengths": lengths, "score": None if None in averages else mean(averages)}


def set_score(name: str, cell: dict) -> float | None:
    """The number of one set: the mean of its filled buckets; without buckets its plain mean."""
    filled = [value for value in (cell.get("buckets") or {}).values() if value is not None]
    return cell["score"] if name in WITHOUT_E_EDITION or not filled else mean(filled)


def table(sets: dict[str, float | None]) -> dict:
    """Categories and average from the numbers of the sets."""
    present = {name: value for name, value in sets.items() if value is not None}
    categories = {
        category: mean([present[name] for name in names if name in present]) for category, names in CATEGORIES.items()
    }
    missing = [name for names in CATEGORIES.values() for name in names if name not in present]
    return {
        "tasks": {name: value for name, value in sets.items() if name not in SYNTHETIC},
        "synthetic": {name: value for name, value in sets.items() if name in SYNTHETIC},
        "categories": categories,
        "average": None if missing else mean(list(categories.values())),
        "missing": missing,
    }
