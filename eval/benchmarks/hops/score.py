"""hops: does the gradient norm of the embeddings find the facts that the answer needs?

A prediction (from `megatron_cdt detect`) has `grad_norm` and `noise` per token; critical tokens are those with
noise 0. Every number is computed per row and then averaged over rows, because norms of different rows have
different scales.
"""

import numpy as np

from eval.scored import Scored, finite_numbers, mean, standard_error

CONTEXT_KINDS = ("supporting", "interference", "irrelevant")
KINDS = (*CONTEXT_KINDS, "question", "answer")
COPIED = ("ce", "cdt", "threshold", "relative_shift")


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """Mean over rows of everything that `row_scores` gives."""
    details = [{"id": row["id"], **row_scores(row)} for row in rows]
    names = [name for name in details[0] if name != "id"]
    metrics: dict = {name: mean_over_rows([row[name] for row in details]) for name in names}
    metrics["standard_error"] = {
        name: standard_error([row[name] for row in details if row[name] is not None])
        for name in ("auc_supporting", "auc_supporting_against_interference")
    }
    return Scored(metrics, details)


def mean_over_rows(values: list) -> dict | float | None:
    """The mean of numbers, or of every entry of dictionaries; rows that have none take no part."""
    if isinstance(values[0], dict):
        return {name: mean_over_rows([value[name] for value in values]) for name in values[0]}
    return mean([value for value in values if value is not None])


def row_scores(row: dict) -> dict:
    """Recall, precision, areas under the curve and norms of one row.

    recall: share of a kind's tokens that are critical. precision: share of the context's critical tokens that
    are of a kind. relative_norm: mean norm of a kind over the mean norm of the row.
    """
    count = len(row["input_ids"])
    norms = np.array(finite_numbers(row, "grad_norm", count))
    critical = np.array(finite_numbers(row, "noise", count)) == 0
    masks = {kind: token_mask(row["spans"], kind, count) for kind in KINDS}
    found = sum(int(critical[masks[kind]].sum()) for kind in CONTEXT_KINDS)
    others = masks["interference"] | masks["irrelevant"]
    return {
        "recall": {kind: share(critical[masks[kind]].sum(), masks[kind].sum()) for kind in KINDS},
        "precision": {kind: share(critical[masks[kind]].sum(), found) for kind in CONTEXT_KINDS},
        "mean_norm": {kind: share(norms[masks[kind]].sum(), masks[kind].sum()) for kind in KINDS},
        "relative_norm": {kind: share(norms[masks[kind]].sum(), masks[kind].sum() * norms.mean()) for kind in KINDS},
        "auc_supporting": roc_auc(norms[masks["supporting"]], norms[others]),
        "auc_supporting_against_interference": roc_auc(norms[masks["supporting"]], norms[masks["interference"]]),
        "noise_share": float(1.0 - critical.mean()),
        **{name: row.get(name) for name in COPIED},
    }


def share(part: float, whole: float) -> float | None:
    """part / whole; None where there is no whole."""
    return float(part / whole) if whole else None


def token_mask(spans: list[dict], kind: str, count: int) -> np.ndarray:
    """Which of `count` tokens lie in a span of `kind`: bool [count]."""
    mask = np.zeros(count, dtype=bool)
    for span in spans:
        if span["kind"] == kind:
            mask[span["start"] : span["end"]] = True
    return mask


def roc_auc(positive: np.ndarray, negative: np.ndarray) -> float | None:
    """Probability that a random positive is above a random negative, ties counting half; None if either is empty."""
    if not len(positive) or not len(negative):
        return None
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    not_above = np.searchsorted(ordered, positive, side="right")
    return float((below + not_above).sum() / (2.0 * len(positive) * len(negative)))
