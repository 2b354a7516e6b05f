"""Natural Questions with distractors: the passage that answers among passages that do not, as evaluation builds them.

in : DPR's biencoder-nq-train.json, nq-open-*.jsonl(.gz), or any file of these formats; corpus.nq
out: one Sample per question, with its first answer; its long text are the numbered passages, the gold one is evidence
Invariants: a sample is a function of its record, the settings and its id, and where its own distractors are too few, of
the other questions' gold passages; a question whose gold passage spells no answer is a bad record.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate, islice
from pathlib import Path
from random import Random

from contracts.published import nq
from contracts.published.nq import Passage, Question
from data_prep.settings import CorpusSettings, NqDistractors
from data_prep.sources.question_records import QuestionRecords, open_question_records, parts_of, sample_of
from data_prep.sources.record_files import Record, RecordError, id_of, read_records
from data_prep.sources.source import BadRecord, Sample, Spans

FILES = {
    "train": ("biencoder-nq-train.json", "nq-train.json"),
    "validation": ("biencoder-nq-dev.json", "nq-dev.json"),
}
WHOLE_FILE = 1 << 62


@dataclass(frozen=True)
class Pool:
    """Where the other questions' passages are."""

    root: Path
    paths: tuple[Path, ...]
    corpus: CorpusSettings


def open_source(corpus: CorpusSettings, split: str) -> QuestionRecords:
    """The questions of one split; InputError where there are none."""
    found = open_question_records("nq", corpus, split, samples_of, FILES)
    samples = partial(samples_of, pool=Pool(found.root, found.paths, corpus))
    return QuestionRecords(found.name, found.root, found.paths, corpus, samples)


def samples_of(record: Record, corpus: CorpusSettings, pool: Pool | None = None) -> Iterator[Sample]:
    """The question of one record among its passages; nothing where no passage of it is gold."""
    if not nq.gold_and_others(record.fields)[0]:
        raise RecordError(record, "no gold passage", "no passage with the answer", "remove the record")
    question, settings = nq.question_of(record.fields), corpus.nq or NqDistractors()
    if not nq.spells_any(question.gold, question.answers):
        detail = f"no passage spells an answer to {question.text!r}"
        raise RecordError(record, "an answer that no passage spells", detail, "remove the record")
    name = id_of(record, corpus.id_field)
    generator = Random(f"{settings.seed}/{name}")
    depth = generator.random() if settings.gold_depth is None else settings.gold_depth
    distractors = distractors_of(question, settings.distractors, pool, generator)
    documents, place = nq.documents_of(question, distractors, depth)
    prompt = nq.prompt_of(question, documents)
    context = document_spans(documents, prompt.context[0])
    yield sample_of(name, prompt, question.answers[0], (context[place],), record.where, context)


def distractors_of(question: Question, wanted: int, pool: Pool | None, generator: Random) -> list[Passage]:
    """So many passages without the answer: the question's own first, then other questions'; fewer where there are."""
    if len(question.distractors) >= wanted or pool is None:
        return list(question.distractors[:wanted])
    return list(islice(nq.distractors_of(question, gold_passages(pool), generator), wanted))


@cache
def gold_passages(pool: Pool) -> tuple[Passage, ...]:
    """The gold passages of all questions, once each, in order; read once by a process, and only where they are needed.

    A record that is broken has none here; its own turn says so.
    """
    passages: dict[Passage, None] = {}
    for part in (part for path in pool.paths for part in parts_of(path, WHOLE_FILE)):
        for record in read_records(part, pool.root, pool.corpus):
            gold = () if isinstance(record, BadRecord) else gold_of(record)
            passages.update(dict.fromkeys(gold))
    return tuple(passages)


def gold_of(record: Record) -> tuple[Passage, ...]:
    """The gold passage of a record; none where it has none."""
    try:
        return (nq.question_of(record.fields).gold,)
    except (KeyError, TypeError, AttributeError, IndexError):
        return ()


def document_spans(documents: list[str], start: int) -> Spans:
    """Where each passage stands in a prompt whose first one begins at `start`; one line end is between two."""
    begins = accumulate((len(document) + 1 for document in documents), initial=start)
    return tuple((begin, begin + len(document)) for begin, document in zip(begins, documents, strict=False))
