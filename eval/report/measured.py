"""This run's numbers in the paper's terms: LongBench-E categories, RULER and BABILong by length, LongPPL, HELMET.

Every number comes with a bootstrap interval over its samples and with a note of what it lacks: tasks that were not run,
stand-ins that judged.
invariant: points are those of the benchmarks' own aggregates; intervals depend on the scores and the seed alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from eval.benchmarks.helmet import aggregate as helmet
from eval.benchmarks.helmet.tasks import tasks_of
from eval.benchmarks.longbench import aggregate as longbench
from eval.benchmarks.longbench.tasks import CATEGORIES, WITHOUT_E_EDITION, plain_name
from eval.report.inputs import ReportData, column_of
from eval.scoring.scored import mean
from eval.scoring.statistics import bootstrap_interval, pooled_interval

SEED = 42
LEVEL = 0.95
# What a score's `labels` say, as words of a note.
JUDGED = {
    "judge": "judged by",
    "nli": "citations checked by",
    "sentences": "sentences by",
    "code_similarity": "code compared by",
}
BABILONG_TASKS = ("qa1", "qa2", "qa3", "qa7", "qa8")


@dataclass(frozen=True)
class Measured:
    """One number, its interval, and what a reader must know of it."""

    value: float
    low: float | None = None
    high: float | None = None
    note: str = ""


class Measurements:
    """The numbers of one column of the report: one model by one method of inference."""

    def __init__(self, data: ReportData, column: str) -> None:
        self.scores = [score for score in data.scores if column_of(score) == column]

    def of(self, benchmark: str) -> list[dict]:
        """The column's scores of one benchmark."""
        return [score for score in self.scores if score["benchmark"] == benchmark]

    def lengths(self, benchmark: str) -> list[int]:
        """The lengths at which a benchmark has a score, ascending."""
        return sorted({score["length"] for score in self.of(benchmark) if score["score"] is not None})

    def longbench(self, category: str | None) -> Measured | None:
        """A category of LongBench-E, or with None the mean of the five, at the longest length."""
        scores = longest(self.of("longbench"))
        if not scores:
            return None
        averages = longbench.aggregate(scores)["lengths"][str(scores[0]["length"])]
        wanted = list(CATEGORIES) if category is None else [category]
        categories = [name for name in wanted if averages["categories"][name] is not None]
        if not categories:
            return None
        groups, weights, judged = [], [], set()
        for name in categories:
            sets = [score for score in scores if plain_name(score["task"]) in CATEGORIES[name]]
            judged |= set(judged_by(sets))
            for score in sets:
                parts = score_parts(score)
                groups += parts
                weights += [100 / (len(categories) * len(sets) * len(parts))] * len(parts)
        value = mean([averages["categories"][name] for name in categories])
        missing = [name for key in wanted for name in CATEGORIES[key] if name in averages["missing"]]
        notes = [lacking(missing, "sets"), *sorted(judged)]
        return with_interval(value, groups, weights, "; ".join(filter(None, notes)))

    def mean_of_tasks(self, benchmark: str, tasks: Sequence[str], length: int | None = None) -> Measured | None:
        """The mean of tasks at one length; with None of all lengths alike, but for 0, where there is no long text."""
        scores = [
            score
            for score in self.of(benchmark)
            if score["task"] in tasks
            and score["score"] is not None
            and (score["length"] == length or (length is None and score["length"] > 0))
        ]
        if not scores:
            return None
        by_length = [
            [score for score in scores if score["length"] == each] for each in sorted({s["length"] for s in scores})
        ]
        value = mean([mean([score["score"] for score in cell]) for cell in by_length])
        weights = [100 / (len(by_length) * len(cell)) for cell in by_length for _ in cell]
        groups = [present(score["per_sample"]) for cell in by_length for score in cell]
        missing = [task for task in tasks if task not in {score["task"] for score in scores}]
        return with_interval(value, groups, weights, lacking(missing, "tasks"))

    def helmet(self, category: str | None) -> Measured | None:
        """A category of HELMET, or with None the mean of the seven, at the longest length."""
        scores = longest(self.of("helmet"))
        if not scores:
            return None
        averages = helmet.aggregate(scores)["lengths"][str(self.helmet_length())]
        wanted = list(averages["categories"]) if category is None else [category]
        categories = [name for name in wanted if averages["categories"][name] is not None]
        if not categories:
            return None
        cells = [[score for score in scores if score["task"] in tasks_of(name)] for name in categories]
        groups = [present(score["per_sample"]) for cell in cells for score in cell]
        weights = [100 / (len(categories) * len(cell)) for cell in cells for _ in cell]
        value = mean([averages["categories"][name] for name in categories])
        missing = [task for name in wanted for task in tasks_of(name) if task in averages["missing"]]
        notes = [lacking(missing, "tasks"), *judged_by([score for cell in cells for score in cell])]
        return with_interval(value, groups, weights, "; ".join(filter(None, notes)))

    def helmet_length(self) -> int:
        """The length whose HELMET scores are shown: the longest (tokens)."""
        return longest(self.of("helmet"))[0]["length"]

    def perplexity(self, metric: str) -> Measured | None:
        """`longppl` or `perplexity` of GovReport at the longest length, with an interval over documents."""
        benchmark = "longppl" if metric == "longppl" else "perplexity"
        scores = longest([score for score in self.of(benchmark) if score["task"] == "govreport"])
        if not scores or scores[0]["metrics"][metric] is None:
            return None
        score = scores[0]
        rows = [row for row in score["rows"] if row.get("key_nats_per_token", row.get("nats_per_token")) is not None]
        note = f"{score['length']:,} tokens, {len(score['rows'])} reports"
        if metric == "longppl":
            weights = [row["key_tokens"] for row in rows]
            losses = [row["key_nats_per_token"] for row in rows]
            note += f", {score['metrics']['key_tokens']:,} key tokens"
        else:
            weights, losses = [row["tokens"] for row in rows], [row["nats_per_token"] for row in rows]
        low, high = pooled_interval(losses, weights, SEED, LEVEL)
        return Measured(score["metrics"][metric], math.exp(low), math.exp(high), note)


def longest(scores: list[dict]) -> list[dict]:
    """Those of the longest length; none of none."""
    most = max((score["length"] for score in scores), default=None)
    return [score for score in scores if score["length"] == most]


def present(values: Sequence[float | None]) -> list[float]:
    """The values that are there."""
    return [value for value in values if value is not None]


def score_parts(score: dict) -> list[list[float]]:
    """The samples of a LongBench set (0 to 1) by bucket, those that have some; all as one where it has no buckets."""
    buckets = [name for name, value in (score.get("buckets") or {}).items() if value is not None]
    if plain_name(score["task"]) in WITHOUT_E_EDITION or not buckets:
        return [present(score["per_sample"])]
    return [[row["score"] / 100 for row in score["rows"] if row["bucket"] == name] for name in buckets]


def judged_by(scores: list[dict]) -> list[str]:
    """What the labels of scores say, each once, in alphabetical order."""
    return sorted({f"{JUDGED[key]} {label}" for score in scores for key, label in score.get("labels", {}).items()})


def lacking(missing: Sequence[str], what: str) -> str:
    """A note of what was not run; nothing where all was."""
    return f"without {', '.join(missing) if len(missing) <= 3 else f'{len(missing)} {what}'}" if missing else ""


def with_interval(value: float, groups: list[list[float]], weights: list[float], note: str) -> Measured:
    """The value with the bootstrap interval of the weighted sum of the groups' means."""
    interval = bootstrap_interval(groups, SEED, weights, LEVEL)
    low, high = interval if interval is not None else (None, None)
    return Measured(value, low, high, note)
