"""Models side by side, cell by cell: the headline number of each, and whether their difference is more than chance.

The models of a cell answer the same samples, so their difference is taken sample by sample. It counts as real
when it exceeds two standard errors.
"""

from collections.abc import Callable
from dataclasses import dataclass

from eval.detection.detectors import DETECTORS
from eval.report.inputs import ReportData
from eval.scoring.scored import mean, standard_error

REAL_AT = 2.0
PROBED_HOPS = (2, 3, 4)
FEW_KEY_TOKENS = 100


@dataclass(frozen=True)
class Headline:
    """How the report shows a task: its headline metric and, per sample, the number that is compared."""

    benchmark: str
    task: str
    title: str
    metric: str
    unit: str
    better: str
    explanation: str
    of_row: Callable[[dict], float | None]
    row_unit: str
    detector: str | None = None


HEADLINES = (
    Headline(
        "perplexity",
        "books",
        "Perplexity",
        "perplexity",
        "",
        "lower",
        "Books the model has never seen. A perplexity of k: on average as unsure as a choice among k equally likely "
        "tokens.",
        lambda row: row["nats_per_token"],
        "nats/token",
    ),
    Headline(
        "longppl",
        "books",
        "LongPPL",
        "longppl",
        "",
        "lower",
        "Perplexity over the key tokens alone: those that are far easier to guess with the long context than with a "
        "short one.",
        lambda row: row["key_nats_per_token"],
        "nats/key token",
    ),
    Headline(
        "ruler",
        "niah_single_1",
        "Needle (RULER niah_single_1)",
        "string_match_all",
        "%",
        "higher",
        "One seven-digit number is hidden in repeated noise; the model must write it.",
        lambda row: row["score"],
        "points",
    ),
    Headline(
        "ruler",
        "vt",
        "Variable tracking (RULER vt)",
        "string_match_all",
        "%",
        "higher",
        "A chain of assignments is hidden in repeated noise; the model must name every variable of the chain.",
        lambda row: row["score"],
        "points",
    ),
    *(
        Headline(
            "stories",
            f"{facts}hop",
            f"Stories, {facts} {'fact' if facts == 1 else 'facts'}",
            "accuracy",
            "%",
            "higher",
            "Where is a person, or a thing that somebody took there? The answer rests on so many facts among sentences "
            "of books.",
            lambda row: row["score"],
            "points",
        )
        for facts in (1, 2, 3, 4)
    ),
    *(
        Headline(
            "hops",
            f"{hops}hop",
            f"Critical-token detection by {detector.title} ({hops} hops)",
            "auc_supporting",
            "",
            "higher",
            "Chance that a token of a supporting fact has a higher score than another token of the text; 0.5 is "
            "guessing.",
            lambda row: row["auc_supporting"],
            "AUC",
            name,
        )
        for hops in PROBED_HOPS
        for name, detector in DETECTORS.items()
    ),
)


@dataclass(frozen=True)
class Difference:
    """Mean of (second - first) over the samples that both have, and its standard error."""

    first: str
    second: str
    value: float
    error: float | None
    samples: int

    @property
    def real(self) -> bool:
        """Whether it exceeds two standard errors."""
        return self.error is not None and abs(self.value) > REAL_AT * self.error


def paired_difference(headline: Headline, first: dict, second: dict) -> Difference | None:
    """The difference of two scores of the same cell; None unless they answered the same samples."""
    if first["hashes"]["samples_sha256"] != second["hashes"]["samples_sha256"]:
        return None
    pairs = [(headline.of_row(a), headline.of_row(b)) for a, b in zip(first["rows"], second["rows"], strict=True)]
    differences = [b - a for a, b in pairs if a is not None and b is not None]
    if not differences:
        return None
    return Difference(first["model"], second["model"], mean(differences), standard_error(differences), len(differences))


def comparisons(data: ReportData) -> list[dict]:
    """Every cell that the first two models share, as numbers for the JSON report."""
    entries = []
    for headline in HEADLINES:
        for length, cell in data.cells(headline.benchmark, headline.task, headline.detector).items():
            difference = cell_difference(headline, data.models, cell)
            if difference is not None:
                entries.append(
                    {
                        "benchmark": headline.benchmark,
                        "task": headline.task,
                        **({"detector": headline.detector} if headline.detector else {}),
                        "length": length,
                        "difference": f"{difference.second} - {difference.first}",
                        "unit": headline.row_unit,
                        "mean": difference.value,
                        "standard_error": difference.error,
                        "samples": difference.samples,
                    }
                )
    return entries


def cell_difference(headline: Headline, models: list[str], cell: dict[str, dict]) -> Difference | None:
    """The difference of the first two models in one cell; None where one is missing."""
    if len(models) < 2 or not {models[0], models[1]} <= cell.keys():
        return None
    return paired_difference(headline, cell[models[0]], cell[models[1]])


def evaluator_is_compared(cell: dict[str, dict]) -> str | None:
    """The compared model that also chose the key tokens of a LongPPL cell, or None."""
    for model, score in cell.items():
        evaluator = score["samples_made_from"].get("evaluator_sha256")
        if evaluator is not None and evaluator == score["answered_by"].get("model_sha256"):
            return model
    return None


def can_be_compared(headline: Headline, cell: dict[str, dict]) -> bool:
    """False for LongPPL on few key tokens, or on key tokens that one of the compared models chose."""
    if headline.benchmark != "longppl":
        return True
    enough = all(score["metrics"]["key_tokens"] >= FEW_KEY_TOKENS for score in cell.values())
    return enough and evaluator_is_compared(cell) is None


def winner(headline: Headline, difference: Difference | None) -> str | None:
    """The better of two models where their difference is real; None otherwise."""
    if difference is None or not difference.real:
        return None
    second_is_better = (difference.value > 0) == (headline.better == "higher")
    return difference.second if second_is_better else difference.first
