"""QuALITY prompts: story, question, four options; the middle of a long story cut out.

in : QuALITY.v1.0.1.htmlstripped.dev (or any file of that format, the flat format before the release included): JSON
     lines, one line a set of questions on one article (contracts.published.quality)
"""

from pathlib import Path

from contracts.manifest import describe_files
from contracts.published import quality
from contracts.published.quality import Question
from eval.building.context import BuildContext, Built
from eval.building.prompts import Prompt, sample_in_cell
from eval.building.records import check_fields, chosen, each_record, file_called

FILES = ("QuALITY.v1.0.1.htmlstripped.dev", "QuALITY.v1.0.1.dev", "QuALITY.v1.0.dev", "dev.jsonl")


def question_file(path: Path) -> Path:
    """The file of questions at `path`."""
    return file_called(path, FILES)


def read_questions(path: Path) -> list[Question]:
    """Every question of the file at `path`, in order."""
    file = question_file(path)
    records = list(each_record(file))
    check_fields(file, records, {"article": (str, list)})
    return [
        question
        for number, record in enumerate(records, start=1)
        for question in quality.questions_of(record, f"{file} record {number}")
    ]


def build(context: BuildContext) -> Built:
    """The prompts of this cell."""
    path = question_file(context.data("quality"))
    questions = chosen(read_questions(path), context.options.samples, context.settings.seed, "quality")
    rows = [sample_in_cell(context, prompt_of(question, context.options.tokens_to_generate)) for question in questions]
    return Built(rows, {}, describe_files([path]))


def prompt_of(question: Question, tokens_to_generate: int) -> Prompt:
    """One question in the published wording."""
    prompt = quality.prompt_of(question)
    return Prompt(
        text=prompt.text,
        answers=[question.answer],
        tokens_to_generate=tokens_to_generate,
        context=prompt.context,
        question=question.text,
        more={"hard": question.hard, "options": list(question.options), "record": question.name},
    )
