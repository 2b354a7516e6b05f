"""Scores of short answers: Recall, RAG, ICL, the LongQA tasks with a right answer; and of a written order of passages.

Each metric is taken on the output as it is and on what follows the task's opening words, and the better counts; labels
are compared on what follows "label:" alone. An order of document ids is scored by NDCG@10 (trec_eval).
"""

import re

import pytrec_eval

from eval.benchmarks.helmet.outputs import (
    answers_of,
    exact_match,
    field_of,
    needle_recall,
    output_of,
    parsed,
    rouge_l,
    scored,
    substring_exact_match,
)
from eval.benchmarks.helmet.tasks import TASKS
from eval.scoring.scored import Scored

OPENING = {"json_kv": "corresponding value:"}


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """The score of a task; rows hold prediction, answers, and answer_prefix where the prompt ended with one."""
    (name,) = TASKS[task].metrics
    values = [{name: sample_score(task, output_of(row), answers_of(row))} for row in rows]
    return scored(values, (name,), rows, {})


def sample_score(task: str, output: str, answers: list[str]) -> float:
    """The metric of one output, 0 to 1."""
    if TASKS[task].category == "ICL":
        return exact_match(parsed(output, "label:"), answers)
    if task.startswith("niah"):
        return needle_recall(output, answers)
    # The second answer is the choice's letter and text: "B. a text".
    if task == "infbench_choice" and any(answer.lower() in output.lower() for answer in answers[1:2]):
        return 1.0
    metric = {"infbench_qa": rouge_l, "infbench_choice": exact_match}.get(task, substring_exact_match)
    return max(metric(output, answers), metric(parsed(output, OPENING.get(task, "Answer:")), answers))


def score_ranking(task: str, rows: list[dict], facts: dict) -> Scored:
    """Mean NDCG@10."""
    values = [{"NDCG@10": ndcg_at_10(output_of(row), field_of(row, "relevance"))} for row in rows]
    return scored(values, ("NDCG@10",), rows, {})


ORDER = re.compile(r"\d+(?:\s*>\s*\d+)*")
# BEIR's evaluation, which HELMET follows, rounds to this many digits.
DIGITS = 5


def parsed_ranking(output: str) -> list[str]:
    """The ids of the longest `ID3 > ID1 > ID2` in the output, first mention only; the output itself where none is."""
    text = re.sub(r"[\[\]:]", "", output).lower().replace("id", "")
    orders = ORDER.findall(text)
    if not orders:
        return [text]
    ids = [part.strip() for part in max(orders, key=len).split(">")]
    return list(dict.fromkeys(part for part in ids if part.isdigit()))


def ndcg_at_10(output: str, relevance: dict[str, int]) -> float:
    """NDCG@10 of the written order against {id: graded relevance}."""
    ranking = parsed_ranking(output)
    run = {identity: float(len(ranking) - place) for place, identity in enumerate(ranking)}
    scores = pytrec_eval.RelevanceEvaluator({"query": relevance}, {"ndcg_cut.10"}).evaluate({"query": run})
    return round(scores["query"]["ndcg_cut_10"], DIGITS)
