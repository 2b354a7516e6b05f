"""A data set of chat samples in record files: what LongMIT and LongAlpaca share, whatever their fields are.

in : the file or folder of the data set, and the function that reads one record of it
out: one Sample per record, or a BadRecord where a field is missing or has another type than the format says
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.settings import CorpusSettings
from data_prep.sources.record_files import (
    RECORD_SUFFIXES,
    Record,
    RecordError,
    corpus_files,
    read_records,
    record_parts,
)
from data_prep.sources.source import BadRecord, Sample, Shard, shards_of_parts


@dataclass(frozen=True)
class ChatRecords:
    """See data_prep.sources.source.Source."""

    name: str
    root: Path
    paths: tuple[Path, ...]
    corpus: CorpusSettings
    sample_of: Callable[[Record, CorpusSettings], Sample]
    facts: dict[str, int] = field(default_factory=dict)

    def files(self) -> Sequence[Path]:
        return self.paths

    def shards(self, size: int) -> Sequence[Shard]:
        return shards_of_parts((part for path in self.paths for part in record_parts(path, size)), size)

    def records(self, shard: Shard) -> Iterator[Sample | BadRecord]:
        for part in shard.parts:
            for record in read_records(part, self.root, self.corpus):
                try:
                    yield record if isinstance(record, BadRecord) else self.sample_of(record, self.corpus)
                except RecordError as fault:
                    yield fault.bad


def open_chat_records(
    name: str, corpus: CorpusSettings, split: str, sample_of: Callable[[Record, CorpusSettings], Sample]
) -> ChatRecords:
    """The record files of one split; InputError where there are none."""
    root, files = corpus_files(Path(corpus.path), split, RECORD_SUFFIXES)
    return ChatRecords(f"{name}/{split}", root, tuple(files), corpus, sample_of)
