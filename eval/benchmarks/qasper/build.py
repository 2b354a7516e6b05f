"""Qasper prompts: a whole paper and a question, in the wording that LongBench publishes for this set.

invariant: a question without any reference is left out and counted.
"""

from contracts.manifest import describe_files
from eval.benchmarks.longbench.tasks import task_called
from eval.benchmarks.qasper.records import Question, question_file, read_questions
from eval.building.build_context import BuildContext, Built
from eval.building.prompts import Prompt
from eval.building.published_files import chosen
from eval.building.truncation import sample_in_cell


def build(context: BuildContext) -> Built:
    """The prompts of this cell."""
    path = question_file(context.data("qasper"))
    questions = read_questions(path)
    answered = [question for question in questions if question.references]
    prompts = [
        prompt_of(question, context.options.tokens_to_generate, context.options.stop_at_line_end)
        for question in chosen(answered, context.options.samples, context.settings.seed, "qasper")
    ]
    rows = [sample_in_cell(context, prompt) for prompt in prompts]
    return Built(rows, {"without_reference": len(questions) - len(answered)}, describe_files([path]))


def prompt_of(question: Question, tokens_to_generate: int, stop_at_line_end: bool) -> Prompt:
    """One question in LongBench's wording."""
    before, after = task_called("qasper").prompt.split("{context}")
    return Prompt(
        text=before + question.paper + after.format(input=question.text),
        answers=[reference.text for reference in question.references],
        tokens_to_generate=tokens_to_generate,
        context=(len(before), len(before) + len(question.paper)),
        question=question.text,
        more={
            "answer_types": [reference.kind for reference in question.references],
            "record": question.name,
            **({"stop": ["\n"]} if stop_at_line_end else {}),
        },
    )
