"""Qasper as published (one JSON object of papers): questions about whole papers.

in : qasper-train-v0.3.json, or any file of that format
out: one Sample per question, with the answer of its first annotator: two samples of one prompt would be each other's
     negatives. Evidence are the annotator's paragraphs; it is not known where all of them are figures or tables.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from contracts.published import qasper
from contracts.published.qasper import Question
from data_prep.settings import CorpusSettings
from data_prep.sources.question_records import QuestionRecords, open_question_records, sample_of
from data_prep.sources.record_files import Record, RecordError
from data_prep.sources.source import MEGABYTE, BadRecord, Part, Sample, Spans, not_utf8, reason_of, too_long

FILES = {"train": ("qasper-train-v0.3.json",), "validation": ("qasper-dev-v0.3.json",)}


def open_source(corpus: CorpusSettings, split: str) -> QuestionRecords:
    """The papers of one split; InputError where there are none."""
    return open_question_records("qasper", corpus, split, samples_of, FILES, read_papers)


def read_papers(part: Part, root: Path, corpus: CorpusSettings) -> Iterator[Record | BadRecord]:
    """The papers of one file; it is in memory whole, and so no longer than a record may be."""
    where, most_bytes = str(part.path), corpus.max_record_megabytes * MEGABYTE
    if part.path.stat().st_size > most_bytes:
        yield too_long(where, part.path.stat().st_size, most_bytes)
        return
    content = part.path.read_bytes()
    try:
        papers = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        yield not_utf8(where, content, error)
        return
    except (ValueError, RecursionError) as error:
        yield BadRecord(where, "broken JSON", f"not valid JSON ({reason_of(error)})", "fetch the file again")
        return
    if not isinstance(papers, dict) or not papers:
        detail = "not one JSON object {paper: {title, abstract, full_text, qas}}"
        yield BadRecord(where, "not the published format", detail, "name the published file", content[:1000])
        return
    for name, paper in papers.items():
        fields = paper if isinstance(paper, dict) else {"not a paper": paper}
        yield Record(f"{where} paper {name}", f"{part.path.relative_to(root).as_posix()}:{name}", fields)


def samples_of(record: Record, corpus: CorpusSettings) -> Iterator[Sample]:
    """Every question of one paper that has an answer."""
    if not qasper.is_paper(record.fields):
        raise RecordError(record, "missing field", "no full_text or no qas", "fetch the file again")
    for question in qasper.questions_of(record.fields, record.where):
        if not question.references:
            detail = f"question {question.name} has no answer"
            raise RecordError(record, "empty field", detail, "name the train or dev file, or remove the question")
        prompt = qasper.prompt_of(question)
        evidence = evidence_of(question, prompt.context[0])
        yield sample_of(question.name, prompt, question.references[0].text, evidence, record.where)


def evidence_of(question: Question, start: int) -> Spans | None:
    """The first annotator's paragraphs as spans of a prompt whose paper begins at `start`; None: not known.

    Empty where the annotator says that the paper does not answer.
    """
    reference = question.references[0]
    places = [(question.paper.find(text), text) for text in dict.fromkeys(reference.evidence) if text.strip()]
    spans = sorted((start + place, start + place + len(text)) for place, text in places if place >= 0)
    return tuple(spans) if spans or reference.kind == "none" else None
