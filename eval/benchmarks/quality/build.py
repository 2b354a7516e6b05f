"""QuALITY prompts: story, question, four options; the middle of a long story cut out."""

from importlib.resources import files

from contracts.manifest import describe_files
from eval.benchmarks.quality.records import LETTERS, Question, question_file, read_questions
from eval.building.build_context import BuildContext, Built
from eval.building.prompts import Prompt
from eval.building.published_files import chosen
from eval.building.truncation import sample_in_cell


def build(context: BuildContext) -> Built:
    """The prompts of this cell."""
    path = question_file(context.data("quality"))
    questions = chosen(read_questions(path), context.options.samples, context.settings.seed, "quality")
    rows = [sample_in_cell(context, prompt_of(question, context.options.tokens_to_generate)) for question in questions]
    return Built(rows, {}, describe_files([path]))


def prompt_of(question: Question, tokens_to_generate: int) -> Prompt:
    """One question in the published wording."""
    wording = files(__package__).joinpath("prompt.txt").read_text(encoding="utf-8")
    before, after = wording.split("{context}")
    after = after.format(question=question.text, **dict(zip(LETTERS, question.options, strict=True)))
    return Prompt(
        text=before + question.story + after,
        answers=[question.answer],
        tokens_to_generate=tokens_to_generate,
        context=(len(before), len(before) + len(question.story)),
        question=question.text,
        more={"hard": question.hard, "options": list(question.options), "record": question.name},
    )
