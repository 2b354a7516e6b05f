"""Question sets in their published files: what QuALITY, Qasper and NQ share, whatever their records are.

in : a published file, the folder that holds it under its published name, or any folder of record files
out: a Sample per question with the places of question and long text; a BadRecord where a record is of another format
Invariant: prompts are those that evaluation asks (contracts.published), without the white space at their ends.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from contracts.errors import InputError
from contracts.published import Worded
from data_prep.settings import CorpusSettings
from data_prep.sources.json_files import line_parts
from data_prep.sources.record_files import (
    RECORD_SUFFIXES,
    Record,
    RecordError,
    corpus_files,
    read_records,
    record_parts,
    suffix_of,
)
from data_prep.sources.source import BadRecord, Part, Sample, Shard, Spans, shards_of_parts, with_line_ends

SamplesOf = Callable[[Record, CorpusSettings], Iterable[Sample | BadRecord]]
ReadRecords = Callable[[Part, Path, CorpusSettings], Iterator[Record | BadRecord]]


@dataclass(frozen=True)
class QuestionRecords:
    """See data_prep.sources.source.Source."""

    name: str
    root: Path
    paths: tuple[Path, ...]
    corpus: CorpusSettings
    samples_of: SamplesOf
    read: ReadRecords = read_records
    facts: dict[str, int] = field(default_factory=dict)

    def files(self) -> Sequence[Path]:
        return self.paths

    def shards(self, size: int) -> Sequence[Shard]:
        return shards_of_parts((part for path in self.paths for part in parts_of(path, size)), size)

    def records(self, shard: Shard) -> Iterator[Sample | BadRecord]:
        for part in shard.parts:
            for record in self.read(part, self.root, self.corpus):
                if isinstance(record, BadRecord):
                    yield record
                    continue
                try:
                    yield from self.samples_of(with_read_line_ends(record, self.corpus.line_ends), self.corpus)
                except RecordError as fault:
                    yield fault.bad
                except InputError as error:
                    yield not_published(record, str(error).removeprefix(f"{record.where}: "))
                except (KeyError, TypeError, AttributeError) as error:
                    yield not_published(record, f"not of the published format ({type(error).__name__}: {error})")


def not_published(record: Record, detail: str) -> BadRecord:
    """The complaint about a record that is no question set of its kind."""
    content = repr(record.fields)[:1000].encode("utf-8", "replace")
    return BadRecord(record.where, "not the published format", detail, "correct or remove the record", content)


def open_question_records(
    name: str,
    corpus: CorpusSettings,
    split: str,
    samples_of: SamplesOf,
    published: Mapping[str, Sequence[str]],
    read: ReadRecords = read_records,
) -> QuestionRecords:
    """One split; `published` are the names of its files by split. InputError where there are none."""
    path = Path(corpus.path)
    folder = path.parent if path.is_file() else path
    names = (path.name,) if path.is_file() else published.get(split, ())
    known = {each for of_split in published.values() for each in of_split}
    for file in (folder / each for each in names if each in known):
        if file.is_file():
            return QuestionRecords(f"{name}/{split}", folder, (file,), corpus, samples_of, read)
    root, files = corpus_files(path, split, RECORD_SUFFIXES)
    return QuestionRecords(f"{name}/{split}", root, tuple(files), corpus, samples_of, read)


def parts_of(path: Path, size: int) -> list[Part]:
    """A file in parts of about `size` bytes; a published name without an ending is one of JSON lines."""
    return record_parts(path, size) if suffix_of(path) in RECORD_SUFFIXES else line_parts(path, size)


def with_read_line_ends(record: Record, line_ends: str) -> Record:
    """The record with the line ends of all its texts as the settings say."""

    def read(value: object) -> object:
        if isinstance(value, str):
            return with_line_ends(value, line_ends)
        if isinstance(value, list):
            return [read(each) for each in value]
        return {key: read(each) for key, each in value.items()} if isinstance(value, dict) else value

    return Record(record.where, record.name, read(record.fields))


def sample_of(
    name: str, prompt: Worded, answer: str, evidence: Spans | None, where: str, context: Spans | None = None
) -> Sample:
    """A question in its wording; `context`: the stretches of the long text, where they are more than one."""
    asked = prompt.text.rstrip()
    stretches = (prompt.context,) if context is None else context
    return Sample(
        id=name,
        prompt=asked,
        answer=answer.strip(),
        evidence=evidence,
        characters=len(asked) + len(answer.strip()),
        where=where,
        question=prompt.question,
        context=stretches,
    )
