"""Qasper's questions: the published JSON, {paper: {title, abstract, full_text, qas}}.

in : qasper-dev-v0.3.json, qasper-test-v0.3.json, or another file of that format
out: questions with the paper's text and one reference per annotator
invariant: a reference is what the official evaluator makes of an annotation: "Unanswerable", the extracted spans joined
by ", ", the free-form answer, "Yes" or "No"; in this order of preference.
"""

from dataclasses import dataclass
from pathlib import Path

from contracts.errors import InputError
from eval.building.published_files import file_called
from eval.samples import read_json

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
