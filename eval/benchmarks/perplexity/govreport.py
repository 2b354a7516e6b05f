"""perplexity of GovReport: the model's loss on every token of the beginnings of long reports.

A sample: {"report" (its number in the file), "input_ids"}.
"""

from eval.building.build_context import BuildContext, Built
from eval.building.reference_tokenizer import counted_by
from eval.govreport.rows import DATA, report_rows


def build(context: BuildContext) -> Built:
    """The reports as rows of tokens."""
    rows = [{"report": row.number, "input_ids": [*context.beginning, *row.ids]} for row in report_rows(context)]
    return Built(rows, {"counted_by": counted_by(context)}, {DATA: context.describe(DATA)})
