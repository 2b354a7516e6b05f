"""longppl of GovReport: the reports of perplexity, with the tokens marked that need the long context.

A sample: {"report" (its number in the file), "input_ids", "text", "key_intervals", "key_positions"} (see
eval.benchmarks.longppl.keys).
"""

from contracts.command_line import progress
from eval.benchmarks.longppl.keys import load_evaluator, with_keys
from eval.building.build_context import BuildContext, Built
from eval.building.reference_tokenizer import counted_by
from eval.govreport.rows import DATA, report_rows


def build(context: BuildContext) -> Built:
    """The reports with their key tokens, found by the evaluator."""
    evaluator = load_evaluator(context)
    rows = [
        {"report": row.number, "input_ids": [*context.beginning, *row.ids]}
        | with_keys(context, evaluator, row.text, row.ids, row.spans)
        for row in progress(report_rows(context), description="key tokens", unit="report")
    ]
    found = sum(len(row["key_positions"]) for row in rows)
    inputs = {DATA: context.describe(DATA), "evaluator_sha256": evaluator.digest}
    return Built(rows, {"key_tokens": found, "evaluator": evaluator.name, "counted_by": counted_by(context)}, inputs)
