"""Scores of short answers: Recall, RAG, ICL, and the LongQA tasks with a right answer.

Each metric is taken on the output as it is and on what follows the task's opening words, and the better counts; labels
are compared on what follows "label:" alone.
"""

from eval.benchmarks.helmet.outputs import answers_of, output_of, scored
from eval.benchmarks.helmet.protocol import TASKS
from eval.benchmarks.helmet.text_metrics import (
    exact_match,
    needle_recall,
    parsed,
    rouge_l,
    substring_exact_match,
)
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
