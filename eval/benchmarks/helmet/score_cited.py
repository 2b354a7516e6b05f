"""Scores of answers with citations: is the answer right, are its statements supported, are its citations needed?

The entailment model is the folder under `nli` in the facts, or the stand-in; its name is in the metrics and the
headline, as is the splitter of sentences.
"""

from eval.benchmarks.helmet.citations import cited, list_recall_top5, statements, string_presence
from eval.benchmarks.helmet.entailment import load_entailment
from eval.benchmarks.helmet.outputs import field_of, output_of, scored
from eval.benchmarks.helmet.protocol import TASKS
from eval.benchmarks.helmet.sentences import sentence_splitter
from eval.scoring.scored import Scored


def score(task: str, rows: list[dict], facts: dict) -> Scored:
    """Rows hold question, documents, and qa_pairs (asqa) or aliases (qampari)."""
    entailment = load_entailment(facts.get("nli"))
    labels = {"nli": entailment.name}
    split = None
    if task == "asqa":
        labels["sentences"], split = sentence_splitter()
    names = TASKS[task].metrics
    values = []
    for row in rows:
        output = output_of(row)
        right = (
            string_presence(output, field_of(row, "qa_pairs"))
            if task == "asqa"
            else list_recall_top5(output, field_of(row, "aliases"))
        )
        found = cited(
            statements(output, field_of(row, "question"), split), field_of(row, "documents"), entailment.entails
        )
        values.append(dict(zip(names, (right, found.recall, found.precision), strict=True)))
    return scored(values, names, rows, labels)
