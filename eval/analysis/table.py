"""What instruments find, as one table: shares, precision, recall and areas under the curve by kind of token.

in : the rows of hops; the lines of every instrument (eval.analysis.measuring); whether each row is answered right
out: records {"instrument", "title", "labels", "answers", "kind", "measure", "n", "value", "low", "high"}
Every number is computed per row and then averaged over rows, as scores of different rows have different scales; low and
high are the 95 % bootstrap interval over rows.
measures, by kind of the context's tokens:
  top_precision, top_recall   share of the `top` tokens that are of the kind; share of the kind that is among them
  precision, recall           the same for the tokens whose score is at least the row's mean (Eq. 2)
  auc                         chance that a token of the kind is above one of any other kind of the context
  auc_against_interference    chance that it is above one of an interference fact
  fact_auc                    chance that a supporting fact's highest token is above an interference fact's highest
  mean                        the mean over the kind's tokens: IG and FR of a kind, as the paper defines them
  mean_share, total_share     the kind's mean, or sum, as a share of those of all kinds; where no score is negative
labels: true, or shuffled as a control. answers: all rows, the right ones, the wrong ones.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from eval.analysis.instruments import INSTRUMENTS
from eval.benchmarks.hops.score import CONTEXT_KINDS, roc_auc, row_scores, share, token_mask
from eval.scoring.scored import mean
from eval.scoring.statistics import bootstrap_intervals

BY_ROW_SCORES = ("top_precision", "top_recall", "precision", "recall")
GROUPS: dict[str, Callable[[dict], bool]] = {
    "all": lambda answer: True,
    "right": lambda answer: answer["right"],
    "wrong": lambda answer: not answer["right"],
}


def instrument_records(
    name: str, rows: list[dict], lines: list[dict], answers: list[dict], *, labels: str, top: int, seed: int
) -> list[dict]:
    """The records of one instrument with true or shuffled labels; groups without rows are left out."""
    measured = [row_measures(row, line["scores"], top) for row, line in zip(rows, lines, strict=True)]
    same = {"instrument": name, "title": INSTRUMENTS[name].title, "labels": labels}
    records = (({**same, **record}, values) for record, values in grouped(measured, answers))
    return with_intervals(records, seed)


def grouped(measured: list[dict], answers: list[dict]) -> Iterator[tuple[dict, list[float]]]:
    """({"answers", "kind", "measure"}, the rows' numbers) for every group of answers, measure and kind."""
    for group, belongs in GROUPS.items():
        chosen = [measures for measures, answer in zip(measured, answers, strict=True) if belongs(answer)]
        for measure in chosen[0] if chosen else ():
            for kind in CONTEXT_KINDS:
                values = [measures[measure].get(kind) for measures in chosen]
                yield {"answers": group, "kind": kind, "measure": measure}, values


def with_intervals(records: Iterable[tuple[dict, list[float | None]]], seed: int) -> list[dict]:
    """Every record with {"n", "value": the mean of its numbers, "low", "high"}; those without numbers are left out."""
    filled = [(record, [value for value in values if value is not None]) for record, values in records]
    filled = [(record, values) for record, values in filled if values]
    intervals = bootstrap_intervals([values for _, values in filled], seed)
    return [
        {**record, "n": len(values), "value": mean(values), "low": low, "high": high}
        for (record, values), (low, high) in zip(filled, intervals, strict=True)
    ]


def row_measures(row: dict, scores: list[float], top: int) -> dict[str, dict[str, float | None]]:
    """{measure: {kind: number}} of one row."""
    values = np.array(scores)
    critical = (values >= values.mean()).astype(int).tolist()
    # The answer of a row with shuffled labels may have another length: the context is what is looked at.
    counted = {**row, "input_ids": [0] * len(scores), "token_scores": scores, "critical": critical}
    found = row_scores(counted, top)
    masks = {kind: token_mask(row["spans"], kind, len(scores)) for kind in CONTEXT_KINDS}
    return {
        **{measure: {kind: found[measure][kind] for kind in CONTEXT_KINDS} for measure in BY_ROW_SCORES},
        **areas(values, masks),
        "fact_auc": {"supporting": fact_area(values, row["spans"])},
        "mean": {kind: found["mean_norm"][kind] for kind in CONTEXT_KINDS},
        **shares(values, masks),
    }


def areas(scores: np.ndarray, masks: dict[str, np.ndarray]) -> dict[str, dict[str, float | None]]:
    """Both areas under the curve of every kind."""
    context = np.logical_or.reduce(list(masks.values()))
    interference = scores[masks["interference"]]
    return {
        "auc": {kind: roc_auc(scores[mask], scores[context & ~mask]) for kind, mask in masks.items()},
        "auc_against_interference": {
            kind: roc_auc(scores[mask], interference) for kind, mask in masks.items() if kind != "interference"
        },
    }


def fact_area(scores: np.ndarray, spans: list[dict]) -> float | None:
    """The area between facts, each by its highest token: most words of a fact say nothing that the answer needs."""
    supporting, interference = (
        np.array([scores[span["start"] : span["end"]].max() for span in spans if span["kind"] == kind])
        for kind in ("supporting", "interference")
    )
    return roc_auc(supporting, interference)


def shares(scores: np.ndarray, masks: dict[str, np.ndarray]) -> dict[str, dict[str, float | None]]:
    """The kinds' means and sums as shares of one; nothing of scores that may be negative."""
    if scores.min() < 0:
        return {"mean_share": {}, "total_share": {}}
    sums = {kind: float(scores[mask].sum()) for kind, mask in masks.items()}
    means = {kind: sums[kind] / mask.sum() if mask.any() else 0.0 for kind, mask in masks.items()}
    return {
        "mean_share": {kind: share(value, sum(means.values())) for kind, value in means.items()},
        "total_share": {kind: share(value, sum(sums.values())) for kind, value in sums.items()},
    }


def head_records(name: str, lines: list[dict], answers: list[dict], top_heads: int, seed: int) -> list[dict]:
    """Table 5: the kinds' shares of what all heads hold, and of what the `top_heads` hold that hold most of the
    supporting facts' share. The heads of even rows are chosen on odd rows and the other way round, so that no row
    chooses its own. Nothing for an instrument without heads, with fewer of them, or of one row.
    """
    if len(lines) < 2 or "heads" not in lines[0]:
        return []
    sums_RKH = np.array([[np.ravel(line["heads"][kind]) for kind in CONTEXT_KINDS] for line in lines])
    count = sums_RKH.shape[-1]
    if count <= top_heads:
        return []
    everyone = np.ones((len(lines), count), dtype=bool)
    measured = {f"top {top_heads}": chosen_heads(sums_RKH, top_heads), f"all {count}": everyone}
    records = []
    for heads, chosen_RH in measured.items():
        shares_RK = kind_shares(sums_RKH, chosen_RH).tolist()
        by_row = [{"total_share": dict(zip(CONTEXT_KINDS, shares, strict=True))} for shares in shares_RK]
        same = {"instrument": name, "heads": heads}
        records += [({**same, **record}, values) for record, values in grouped(by_row, answers)]
    return with_intervals(records, seed)


def chosen_heads(sums_RKH: np.ndarray, count: int) -> np.ndarray:
    """Bool [rows, heads]: the heads with most on supporting facts in the rows of the other parity."""
    supporting_RH = sums_RKH[:, CONTEXT_KINDS.index("supporting")]
    chosen_RH = np.zeros(supporting_RH.shape, dtype=bool)
    for parity in (0, 1):
        best = np.argsort(-supporting_RH[1 - parity :: 2].mean(0), kind="stable")[:count]
        chosen_RH[parity::2, best] = True
    return chosen_RH


def kind_shares(sums_RKH: np.ndarray, chosen_RH: np.ndarray) -> np.ndarray:
    """What the chosen heads hold of every kind, as shares of one: [rows, kinds]."""
    sums_RK = (sums_RKH * chosen_RH[:, None]).sum(-1)
    return sums_RK / np.maximum(sums_RK.sum(-1, keepdims=True), np.finfo(float).tiny)


def by_head_records(name: str, rows: list[dict], lines: list[dict]) -> list[dict]:
    """The mean over a kind's tokens by layer and head, as Eq. 1 defines it, averaged over rows that have the kind."""
    if "heads" not in lines[0]:
        return []
    records = []
    for kind in CONTEXT_KINDS:
        counts = [token_mask(row["spans"], kind, len(row["input_ids"])).sum() for row in rows]
        means = [np.array(line["heads"][kind]) / count for line, count in zip(lines, counts, strict=True) if count]
        for (layer, head), value in np.ndenumerate(np.mean(means, axis=0)) if means else ():
            place = {"layer": lines[0]["first_layer"] + layer, "head": head}
            records.append({"instrument": name, "kind": kind, **place, "n": len(means), "value": float(value)})
    return records
