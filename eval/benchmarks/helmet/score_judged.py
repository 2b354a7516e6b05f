"""Scores that a judge gives: narrativeqa's answers, and the summaries of books and lawsuits.

The judge is the model folder under `judge` in the facts, or the stand-in; its name is in the metrics and the headline.
"""

from eval.benchmarks.helmet.judges import Judge, load_judge
from eval.benchmarks.helmet.outputs import answers_of, field_of, optional_field, output_of, scored
from eval.benchmarks.helmet.protocol import TASKS
from eval.benchmarks.helmet.text_metrics import parsed
from eval.scoring.scored import Scored

KINDS = {"infbench_sum": "book", "multi_lexsum": "lawsuit"}


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """The mean of the judge's verdicts; samples without one count for nothing."""
    judge = load_judge(facts.get("judge"))
    (name,) = TASKS[task].metrics
    values = [{name: judged(task, row, judge)} for row in rows]
    return scored(values, (name,), rows, {"judge": judge.name})


def judged(task: str, row: dict, judge: Judge) -> float | None:
    """The verdict on one output, 0 to 1."""
    output = output_of(row)
    if task == "narrativeqa":
        return judge.answer_quality(field_of(row, "question"), answers_of(row), parsed(output.replace("\n", " ")))
    reference = optional_field(row, "reference") or answers_of(row)[0]
    return judge.summary_f1(KINDS[task], reference, optional_field(row, "keypoints"), output.strip())
