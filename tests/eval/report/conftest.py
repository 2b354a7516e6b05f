"""Scores of two models on every benchmark of the paper's tables, as `eval score` writes them, with made-up numbers."""

import random

import pytest

from eval.benchmarks.helmet.tasks import TASKS as HELMET_TASKS
from eval.benchmarks.longbench.tasks import CATEGORIES
from eval.registry import BENCHMARKS
from eval.report.inputs import ReportData
from eval.scoring.scored import mean

SAMPLES = 30


def made_score(model: str, benchmark: str, task: str, length: int, level: float, **more) -> dict:
    """One score.json: SAMPLES samples that are right with chance `level`."""
    draw = random.Random(f"{model} {benchmark} {task} {length}")
    per_sample = [float(draw.random() < level) for _ in range(SAMPLES)]
    rows = [{"id": index, "score": 100 * value} for index, value in enumerate(per_sample)]
    return {
        "benchmark": benchmark,
        "task": task,
        "length": length,
        "model": model,
        "inference": "dense",
        "score": 100 * mean(per_sample),
        "n": SAMPLES,
        "per_sample": per_sample,
        "rows": rows,
        "metrics": {},
        "answered_by": {},
        "settings": {"benchmarks": {benchmark: {"samples": SAMPLES}}, "begin_with_bos": True},
        "samples_made_from": {},
        "hashes": {"samples_sha256": f"{benchmark}{task}{length}", "predictions_sha256": "p", "code_sha256": "c"},
        **more,
    }


def longbench_score(model: str, task: str, level: float) -> dict:
    """A set with two filled buckets of unequal size."""
    score = made_score(model, "longbench", task, 8192, level)
    for row in score["rows"]:
        row["bucket"] = "0-4k" if row["id"] % 3 else "8k+"
    buckets = {name: mean([row["score"] for row in score["rows"] if row["bucket"] == name]) for name in ("0-4k", "8k+")}
    return score | {"buckets": {**buckets, "4-8k": None}}


def govreport_scores(model: str, loss: float) -> list[dict]:
    """Perplexity and LongPPL of reports that have different numbers of tokens."""
    made = []
    for benchmark, name, count in (
        ("perplexity", "nats_per_token", "tokens"),
        ("longppl", "key_nats_per_token", "key_tokens"),
    ):
        rows = [{"id": n, name: loss + 0.1 * (n % 5), count: 100 + n} for n in range(SAMPLES)]
        pooled = sum(row[name] * row[count] for row in rows) / sum(row[count] for row in rows)
        score = made_score(model, benchmark, "govreport", 4096, 0.5)
        metrics = {
            benchmark: 2.718281828459045**pooled,
            name: pooled,
            "key_tokens": sum(100 + n for n in range(SAMPLES)),
        }
        made.append(score | {"score": None, "per_sample": [], "rows": rows, "metrics": metrics})
    return made


def helmet_score(model: str, task: str, level: float) -> dict:
    """A HELMET task; the judged ones name their stand-in."""
    task_of = BENCHMARKS["helmet"].tasks[task]
    labels = {"judge": "stand-in (token F1)"} if task_of.judges == ("judge",) else {}
    depths = [{"depths": [n % 10 / 10]} for n in range(SAMPLES)]
    score = made_score(model, "helmet", task, 8192, level, **({"labels": labels} if labels else {}))
    if task == "json_kv":
        score["rows"] = [row | depth for row, depth in zip(score["rows"], depths, strict=True)]
    return score


def report_data(scores: list[dict]) -> ReportData:
    """A report of nothing but scores."""
    return ReportData(
        run="made up", scores=scores, aggregates=[], curves=[], pictures=[], manifests=[], data_summaries={}
    )


@pytest.fixture(scope="session")
def data_of():
    """data_of(scores) -> ReportData of nothing but scores."""
    return report_data


@pytest.fixture(scope="session")
def data() -> ReportData:
    """Two models, `low` and `high`, on everything."""
    scores = []
    for model, level in (("low", 0.3), ("high", 0.8)):
        scores += [longbench_score(model, task, level) for tasks in CATEGORIES.values() for task in tasks]
        for length in (1024, 32768):
            scores += [made_score(model, "ruler", task, length, level) for task in BENCHMARKS["ruler"].tasks]
            scores += [
                made_score(model, "babilong", task, length, level) for task in ("qa1", "qa2", "qa3", "qa7", "qa8")
            ]
        scores += [helmet_score(model, task, level) for task in HELMET_TASKS]
        scores += govreport_scores(model, 2.0 - level)
    return report_data(scores)
