"""Any corpus of text: a file, or a folder of .txt, .jsonl, .jsonl.gz, .jsonl.zst, .json and .parquet files.

in : PATH, or PATH/SPLIT where there is such a folder      out: one document per .txt file, and per record elsewhere
Invariants: files in the order of their names, records in the order of the file; a .txt document has its file's
name as id, a record its `id_field`, or file:number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.settings import CorpusSettings
from data_prep.sources.record_files import (
    RECORD_SUFFIXES,
    RecordError,
    corpus_files,
    id_of,
    read_records,
    record_parts,
    text_of,
)
from data_prep.sources.source import (
    MEGABYTE,
    BadRecord,
    Document,
    Part,
    Shard,
    read_document,
    shards_of_parts,
    whole_files,
)


@dataclass(frozen=True)
class Text:
    """See data_prep.sources.source.Source."""

    name: str
    root: Path
    paths: tuple[Path, ...]
    corpus: CorpusSettings
    facts: dict[str, int] = field(default_factory=dict)

    def files(self) -> Sequence[Path]:
        return self.paths

    def shards(self, size: int) -> Sequence[Shard]:
        parts = (whole_files([path]) if path.suffix == ".txt" else record_parts(path, size) for path in self.paths)
        return shards_of_parts((part for of_path in parts for part in of_path), size)

    def records(self, shard: Shard) -> Iterator[Document | BadRecord]:
        for part in shard.parts:
            if part.path.suffix == ".txt":
                name = part.path.relative_to(self.root).with_suffix("").as_posix()
                yield read_document(part.path, name, self.corpus.max_record_megabytes * MEGABYTE)
            else:
                yield from self.documents(part)

    def documents(self, part: Part) -> Iterator[Document | BadRecord]:
        """The documents of a file of records."""
        corpus = self.corpus
        for record in read_records(part, self.root, corpus):
            try:
                bad = isinstance(record, BadRecord)
                cure = "set text_field to the field that holds the text"
                yield (
                    record
                    if bad
                    else Document(
                        id_of(record, corpus.id_field), text_of(record, corpus.text_field, cure), record.where
                    )
                )
            except RecordError as fault:
                yield fault.bad


def open_source(corpus: CorpusSettings, split: str) -> Text:
    """The text files of a split; InputError where there are none."""
    root, files = corpus_files(Path(corpus.path), split, (".txt", *RECORD_SUFFIXES))
    return Text(f"text/{split}", root, tuple(files), corpus)
