"""Qasper prompts: a whole paper and a question, in the wording that LongBench publishes for this set.

in : qasper-dev-v0.3.json, qasper-test-v0.3.json, or another file of that format (contracts.published.qasper)
invariant: a question without any reference is left out and counted.
"""

from pathlib import Path

from contracts.errors import InputError
from contracts.manifest import describe_files
from contracts.published import qasper
from contracts.published.qasper import Question
from eval.building.context import BuildContext, Built
from eval.building.prompts import Prompt, sample_in_cell
from eval.building.records import chosen, file_called
from eval.building.samples import read_json

FILES = ("qasper-test-v0.3.json", "qasper-dev-v0.3.json")


def question_file(path: Path) -> Path:
    """The file of papers and questions at `path`."""
    return file_called(path, FILES)


def read_questions(path: Path) -> list[Question]:
    """Every question of every paper in the file at `path`, in order."""
    file = question_file(path)
    papers = read_json(file)
    if not isinstance(papers, dict) or not all(map(qasper.is_paper, papers.values())):
        raise InputError(f"{file}: not Qasper's published format: {{paper: {{title, abstract, full_text, qas}}}}")
    return [question for paper in papers.values() for question in qasper.questions_of(paper, file)]


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
    prompt = qasper.prompt_of(question)
    return Prompt(
        text=prompt.text,
        answers=[reference.text for reference in question.references],
        tokens_to_generate=tokens_to_generate,
        context=prompt.context,
        question=question.text,
        more={
            "answer_types": [reference.kind for reference in question.references],
            "record": question.name,
            **({"stop": ["\n"]} if stop_at_line_end else {}),
        },
    )
