"""LongMIT as published (jsonl with all_docs, clue_docs, question, answer, type, language): multi-hop questions.

in : the file or folder of the data set      out: one Sample per record, its supporting passages (clue_docs) as evidence
Invariants: every passage of the record is in the prompt once, in its order; a supporting passage that all_docs lacks
is put in at a place that the record's id decides. The prompt is the data set's own: with the reasoning for the types
inter_doc and intra_doc, the answer alone for the others.
"""

import hashlib

from data_prep.settings import CorpusSettings
from data_prep.sources.chat_records import ChatRecords, open_chat_records
from data_prep.sources.record_files import Record, RecordError, id_of, passages_of, text_of
from data_prep.sources.source import Sample, Spans, with_line_ends

REASONING_TYPES = ("inter_doc", "intra_doc")
# The words of the published loader (WowCZ/LongMIT, README): (before the passages, after them).
REASONING = (
    "Answer the question based on the given passages.\n\nThe following are given passages.\n",
    "\n\nAnswer the question based on the given passages and provide a complete reasoning process.\nQuestion:",
)
ANSWER_ONLY_TASK = (
    "Answer the question based on the given passages. Only give me the answer and do not output any other words."
)
ANSWER_ONLY = (
    f"{ANSWER_ONLY_TASK}\n\nThe following are given passages.\n",
    f"\n\n{ANSWER_ONLY_TASK}\nQuestion:",
)


def open_source(corpus: CorpusSettings, split: str) -> ChatRecords:
    """The files of LongMIT; InputError where there are none."""
    return open_chat_records("longmit", corpus, split, sample_of)


def sample_of(record: Record, corpus: CorpusSettings) -> Sample:
    """The prompt, the answer and the evidence of one record."""
    name = id_of(record, corpus.id_field)
    everything, clues = passages_of(record, "all_docs"), passages_of(record, "clue_docs")
    published = [*everything, *missing_from(everything, clues)]
    question, answer = text_of(record, "question"), text_of(record, "answer")
    kind, language = text_of(record, "type"), text_of(record, "language")
    if not published or not answer.strip():
        what = "passages" if not published else "answer"
        raise RecordError(record, "empty field", f"the record has no {what}", "remove the record")
    read = [with_line_ends(text, corpus.line_ends) for text in (question, answer)]
    passages = [with_line_ends(text, corpus.line_ends) for text in with_missing_clues(name, everything, clues)]
    wanted = {with_line_ends(clue, corpus.line_ends) for clue in clues}
    prompt, evidence = prompt_of(passages, wanted, read[0], REASONING if kind in REASONING_TYPES else ANSWER_ONLY)
    characters = sum(map(len, [*published, question, answer]))
    returns = characters - sum(map(len, [*passages, *read]))
    outer = len(read[1]) - len(read[1].strip())
    dropped = {"CR of CRLF line ends": returns, "whitespace around an answer": outer}
    dropped = {reason: count for reason, count in dropped.items() if count}
    return Sample(name, prompt, read[1].strip(), evidence, language, characters, dropped, record.where)


def missing_from(everything: list[str], clues: list[str]) -> list[str]:
    """The distinct supporting passages that are not among all passages."""
    return [clue for clue in dict.fromkeys(clues) if clue not in set(everything)]


def with_missing_clues(name: str, everything: list[str], clues: list[str]) -> list[str]:
    """All passages in order, each missing supporting one put in where a hash of the id and its number says."""
    passages = list(everything)
    for number, clue in enumerate(missing_from(everything, clues)):
        digest = hashlib.blake2b(f"{name}\0{number}".encode(), digest_size=8).digest()
        passages.insert(int.from_bytes(digest) % (len(passages) + 1), clue)
    return passages


def prompt_of(passages: list[str], clues: set[str], question: str, words: tuple[str, str]) -> tuple[str, Spans]:
    """The prompt, and the place in it of each supporting passage (the first of equal ones)."""
    pieces, spans, marked, place = [words[0]], [], set(), len(words[0])
    for number, passage in enumerate(passages, 1):
        head = f"{'' if number == 1 else chr(10)}Passage {number}:\n"
        place += len(head)
        if passage in clues and passage not in marked:
            spans.append((place, place + len(passage)))
            marked.add(passage)
        pieces += [head, passage]
        place += len(passage)
    return "".join([*pieces, words[1], question, "\nAnswer:"]), tuple(spans)
