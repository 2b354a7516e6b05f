"""Qasper's papers and questions: {paper: {title, abstract, full_text, qas}}; one reference per annotator of a question.

A reference is what the official evaluator makes of an annotation: "Unanswerable", the extracted spans joined by ", ",
the free-form answer, "Yes" or "No"; in this order of preference.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from contracts.errors import InputError
from contracts.published import Worded, Wording

WORDING = Wording("qasper", question="{input}")


@dataclass(frozen=True)
class Reference:
    """One annotator's answer; `kind` is extractive, abstractive, boolean or none, as the evaluator names them.

    `evidence` are the paragraphs that the annotator took it from; of figures and tables their captions' marks.
    """

    text: str
    kind: str
    evidence: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Question:
    """One question about one paper."""

    name: str
    paper: str
    text: str
    references: tuple[Reference, ...]


def is_paper(paper: object) -> bool:
    """Whether an entry of the file is a paper with questions."""
    return isinstance(paper, dict) and {"full_text", "qas"} <= paper.keys()


def questions_of(paper: dict, file: Path | str) -> Iterator[Question]:
    """Every question of a paper of `file`, in order."""
    text = paper_text(paper)
    for question in paper["qas"]:
        references = tuple(reference_of(file, annotation) for annotation in question["answers"])
        yield Question(question["question_id"], text, question["question"], references)


def reference_of(file: Path | str, annotation: dict) -> Reference:
    """What one annotation says; InputError where it says nothing."""
    answer = annotation["answer"]
    evidence = tuple(answer.get("evidence", ()))
    if answer["unanswerable"]:
        return Reference("Unanswerable", "none", evidence)
    if answer["extractive_spans"]:
        return Reference(", ".join(answer["extractive_spans"]), "extractive", evidence)
    if answer["free_form_answer"]:
        return Reference(answer["free_form_answer"], "abstractive", evidence)
    if answer["yes_no"] is None:
        raise InputError(f"{file}: annotation {annotation.get('annotation_id')} holds no answer; fetch the file again")
    return Reference("Yes" if answer["yes_no"] else "No", "boolean", evidence)


def paper_text(paper: dict) -> str:
    """Title, abstract and sections, each heading on a line of its own; empty paragraphs left out."""
    lines = [paper.get("title") or "", "Abstract", paper.get("abstract") or ""]
    for section in paper["full_text"]:
        lines += [section.get("section_name") or "", *section["paragraphs"]]
    return "\n".join(line for line in lines if line.strip())


def prompt_of(question: Question) -> Worded:
    """One question in LongBench's wording."""
    return WORDING.with_texts(question.paper, question.text)
