"""hops: does a detector find the facts that the answer needs?

A prediction has a score and a verdict per token: `grad_norm` and `noise` from `megatron_cdt detect` (critical tokens
are those with noise 0), or `token_scores` and `critical` from `generate` (attention, LongPPL). Every number is computed
per row and then averaged over rows, because scores of different rows have different scales.

score: the share, in percent, of the top tokens (the `top` highest scores in the context: 30) that lie in supporting or
interference facts, the tokens that have to do with the answer.
"""

import numpy as np

from eval.scoring.scored import Scored, finite_numbers, mean, standard_error

FACT_KINDS = ("supporting", "interference")
CONTEXT_KINDS = (*FACT_KINDS, "irrelevant", "emoji")
KINDS = (*CONTEXT_KINDS, "question", "answer")
COPIED = ("ce", "cdt", "threshold", "relative_shift")
TOP = 30


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """Mean over rows of everything that `row_scores` gives."""
    details = [{"id": row["id"], **row_scores(row, facts.get("top", TOP))} for row in rows]
    names = [name for name in details[0] if name != "id"]
    metrics: dict = {name: mean_over_rows([row[name] for row in details]) for name in names}
    metrics["standard_error"] = {
        name: standard_error([row[name] for row in details if row[name] is not None])
        for name in ("auc_supporting", "auc_supporting_against_interference")
    }
    per_sample = [sum(row["top_precision"][kind] for kind in FACT_KINDS) for row in details]
    return Scored(metrics, details, 100.0 * mean(per_sample), per_sample)


def mean_over_rows(values: list) -> dict | float | None:
    """The mean of numbers, or of every entry of dictionaries; rows that have none take no part."""
    if isinstance(values[0], dict):
        return {name: mean_over_rows([value[name] for value in values]) for name in values[0]}
    return mean([value for value in values if value is not None])


def row_scores(row: dict, top: int) -> dict:
    """Recall, precision, areas under the curve and scores of one row.

    recall: share of a kind's tokens that are critical. precision: share of the context's critical tokens that
    are of a kind. top_recall, top_precision: the same for the `top` tokens of the context. critical_tokens, top_tokens:
    how many of them the context has. relative_norm: mean score of a kind over the mean score of the row.
    """
    scores, critical = detected(row)
    masks = {kind: token_mask(row["spans"], kind, len(scores)) for kind in KINDS}
    context = np.logical_or.reduce([masks[kind] for kind in CONTEXT_KINDS])
    highest = top_tokens(scores, context, top)
    others = context & ~masks["supporting"]
    return {
        "recall": {kind: share(critical[masks[kind]].sum(), masks[kind].sum()) for kind in KINDS},
        "precision": {kind: share(critical[masks[kind]].sum(), critical[context].sum()) for kind in CONTEXT_KINDS},
        "top_recall": {kind: share(highest[masks[kind]].sum(), masks[kind].sum()) for kind in CONTEXT_KINDS},
        "top_precision": {kind: share(highest[masks[kind]].sum(), highest.sum()) for kind in CONTEXT_KINDS},
        "critical_tokens": int(critical[context].sum()),
        "top_tokens": int(highest.sum()),
        "mean_norm": {kind: share(scores[masks[kind]].sum(), masks[kind].sum()) for kind in KINDS},
        "relative_norm": {kind: share(scores[masks[kind]].sum(), masks[kind].sum() * scores.mean()) for kind in KINDS},
        "auc_supporting": roc_auc(scores[masks["supporting"]], scores[others]),
        "auc_supporting_against_interference": roc_auc(scores[masks["supporting"]], scores[masks["interference"]]),
        "noise_share": float(1.0 - critical.mean()),
        **{name: row.get(name) for name in COPIED},
    }


def detected(row: dict) -> tuple[np.ndarray, np.ndarray]:
    """(score, whether critical) of every token: float64 [n], bool [n]."""
    count = len(row["input_ids"])
    if "token_scores" in row:
        return np.array(finite_numbers(row, "token_scores", count)), np.array(
            finite_numbers(row, "critical", count)
        ) == 1
    return np.array(finite_numbers(row, "grad_norm", count)), np.array(finite_numbers(row, "noise", count)) == 0


def top_tokens(scores: np.ndarray, context: np.ndarray, count: int) -> np.ndarray:
    """The `count` tokens of the context with the highest scores, the earlier of equal ones first: bool [n]."""
    order = np.argsort(np.where(context, -scores, np.inf), kind="stable")[: min(count, int(context.sum()))]
    chosen = np.zeros(len(scores), dtype=bool)
    chosen[order] = True
    return chosen


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
