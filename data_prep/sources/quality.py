"""QuALITY as published (JSON lines of question sets on one article): multiple-choice questions about long stories.

in : QuALITY.v1.0.1.htmlstripped.train, or any file of that format
out: one Sample per question; the answer is the letter of its gold label, as evaluation scores it. Which part of the
     story an answer rests on is not published.
"""

from collections.abc import Iterator

from contracts.published import quality
from data_prep.settings import CorpusSettings
from data_prep.sources.question_records import QuestionRecords, open_question_records, sample_of
from data_prep.sources.record_files import Record
from data_prep.sources.source import Sample

FILES = {
    "train": ("QuALITY.v1.0.1.htmlstripped.train", "QuALITY.v1.0.1.train", "QuALITY.v1.0.train", "train.jsonl"),
    "validation": ("QuALITY.v1.0.1.htmlstripped.dev", "QuALITY.v1.0.1.dev", "QuALITY.v1.0.dev", "dev.jsonl"),
}


def open_source(corpus: CorpusSettings, split: str) -> QuestionRecords:
    """The question sets of one split; InputError where there are none."""
    return open_question_records("quality", corpus, split, samples_of, FILES)


def samples_of(record: Record, corpus: CorpusSettings) -> Iterator[Sample]:
    """Every question of one record."""
    for number, question in enumerate(quality.questions_of(record.fields, record.where), 1):
        name = question.name or f"{record.name}:{number}"
        yield sample_of(name, quality.prompt_of(question), question.answer, None, record.where)
