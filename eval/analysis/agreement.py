"""Whether instruments agree: rank correlation over the context, and how IG and gradient go together (Figure 5).

in : the rows of hops; the lines of instruments (eval.analysis.measuring)
out: records with their 95 % bootstrap interval over rows; a correlation is computed per row and then averaged
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from scipy import stats

from eval.analysis.context import context_tokens
from eval.analysis.table import with_intervals
from eval.benchmarks.hops.score import CONTEXT_KINDS, token_mask

# The axes of Figure 5.
FLOW, GRADIENT = "information_flow", "embedding_gradient"
# Tokens of a kind that a row must have for a correlation.
FEWEST = 3


def agreement_records(rows: list[dict], scores: dict[str, list[dict]], seed: int) -> list[dict]:
    """{"first", "second", "n", "value", "low", "high"}: Spearman's rho of every two instruments."""
    contexts = [context_tokens(row) for row in rows]
    by_row = {
        name: [np.array(line["scores"])[context] for line, context in zip(lines, contexts, strict=True)]
        for name, lines in scores.items()
    }
    records = (
        ({"first": first, "second": second}, list(map(spearman, by_row[first], by_row[second])))
        for first, second in combinations(scores, 2)
    )
    return with_intervals(records, seed)


def spearman(first: np.ndarray, second: np.ndarray) -> float | None:
    """Spearman's rank correlation; None where one of them does not vary, or of too few tokens."""
    if len(first) < FEWEST or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(stats.spearmanr(first, second).statistic)


def figure_5_points(rows: list[dict], scores: dict[str, list[dict]]) -> Iterator[dict]:
    """{"id", "position", "kind", "information_flow", "embedding_gradient"} of every token of the context."""
    if not {FLOW, GRADIENT} <= {*scores}:
        return
    for row, flow, gradient in zip(rows, scores[FLOW], scores[GRADIENT], strict=True):
        for kind in CONTEXT_KINDS:
            for position in np.flatnonzero(token_mask(row["spans"], kind, len(row["input_ids"]))).tolist():
                yield {
                    "id": row["id"],
                    "position": position,
                    "kind": kind,
                    FLOW: flow["scores"][position],
                    GRADIENT: gradient["scores"][position],
                }


def figure_5_records(points: list[dict], seed: int) -> list[dict]:
    """{"kind", "measure", "n", "value", "low", "high"}: how IG and gradient norm go together, for every kind and all.

    pearson_log, slope_log: correlation and slope over logarithms (a proportion is a line of slope 1); spearman: over
    ranks. Tokens with a zero have no logarithm and take no part.
    """
    by_row: dict[str, list[dict]] = {}
    for point in points:
        if point[FLOW] > 0 and point[GRADIENT] > 0:
            by_row.setdefault(point["id"], []).append(point)
    records = []
    for kind in (*CONTEXT_KINDS, "all"):
        relations = [found for row in by_row.values() if (found := relation(of_kind(row, kind)))]
        for measure in ("pearson_log", "spearman", "slope_log"):
            records.append(({"kind": kind, "measure": measure}, [found[measure] for found in relations]))
    return with_intervals(records, seed)


def of_kind(points: list[dict], kind: str) -> list[dict]:
    """Those of a kind, or all."""
    return [point for point in points if kind in (point["kind"], "all")]


def relation(points: list[dict]) -> dict | None:
    """The three numbers of one row; None of too few tokens, or where one axis does not vary."""
    if len(points) < FEWEST:
        return None
    flow, gradient = (np.log10([point[axis] for point in points]) for axis in (FLOW, GRADIENT))
    if np.ptp(flow) == 0 or np.ptp(gradient) == 0:
        return None
    line = stats.linregress(gradient, flow)
    return {
        "pearson_log": float(line.rvalue),
        "slope_log": float(line.slope),
        "spearman": spearman(flow, gradient),
    }
