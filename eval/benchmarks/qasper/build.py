"""Qasper prompts: a whole paper and a question, in the wording that LongBench publishes for this set.

in : qasper-dev-v0.3.json, qasper-test-v0.3.json, or another file of that format: {paper: {title, abstract, full_text,
     qas}}; a question has one reference per annotator
A reference is what the official evaluator makes of an annotation: "Unanswerable", the extracted spans joined by ", ",
the free-form answer, "Yes" or "No"; in this order of preference.
invariant: a question without any reference is left out and counted.
"""

from dataclasses import dataclass
from pathlib import Path

from contracts.errors import InputError
from contracts.manifest import describe_files
from eval.benchmarks.longbench.tasks import task_called
from eval.building.context import BuildContext, Built
from eval.building.prompts import Prompt, sample_in_cell
from eval.building.records import chosen, file_called
from eval.building.samples import read_json

FILES = ("qasper-test-v0.3.json", "qasper-dev-v0.3.json")


@dataclass(frozen=True)
class Reference:
    """One annotator's answer; `kind` is extractive, abstractive, boolean or none, as the evaluator names them."""

    text: str
    kind: str


@dataclass(frozen=True)
class Question:
    """One question about one paper."""

    name: str
    paper: str
    text: str
    references: tuple[Reference, ...]


def question_file(path: Path) -> Path:
    """The file of papers and questions at `path`."""
    return file_called(path, FILES)


def read_questions(path: Path) -> list[Question]:
    """Every question of every paper in the file at `path`, in order."""
    file = question_file(path)
    papers = read_json(file)
    if not isinstance(papers, dict) or not all(
        isinstance(paper, dict) and {"full_text", "qas"} <= paper.keys() for paper in papers.values()
    ):
        raise InputError(f"{file}: not Qasper's published format: {{paper: {{title, abstract, full_text, qas}}}}")
    return [
        Question(
            name=question["question_id"],
            paper=paper_text(paper),
            text=question["question"],
            references=tuple(reference_of(file, annotation) for annotation in question["answers"]),
        )
        for paper in papers.values()
        for question in paper["qas"]
    ]


def reference_of(file: Path, annotation: dict) -> Reference:
    """What one annotation says; InputError where it says nothing."""
    answer = annotation["answer"]
    if answer["unanswerable"]:
        return Reference("Unanswerable", "none")
    if answer["extractive_spans"]:
        return Reference(", ".join(answer["extractive_spans"]), "extractive")
    if answer["free_form_answer"]:
        return Reference(answer["free_form_answer"], "abstractive")
    if answer["yes_no"] is None:
        raise InputError(f"{file}: annotation {annotation.get('annotation_id')} holds no answer; fetch the file again")
    return Reference("Yes" if answer["yes_no"] else "No", "boolean")


def paper_text(paper: dict) -> str:
    """Title, abstract and sections, each heading on a line of its own; empty paragraphs left out."""
    lines = [paper.get("title") or "", "Abstract", paper.get("abstract") or ""]
    for section in paper["full_text"]:
        lines += [section.get("section_name") or "", *section["paragraphs"]]
    return "\n".join(line for line in lines if line.strip())


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
