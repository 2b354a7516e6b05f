"""Tokens: tokenized documents in Arrow IPC files, one row per document.

in : a folder of tokens-00000.arrow, tokens-00001.arrow ... (uncompressed, memory-mapped; written by data_prep)
out: the schema, and what its metadata says
Invariants: rows are ordered by the source's own order of documents (for folders: by id), not by how the
files happened to be listed or by which worker was first. Where documents come in groups (`together`), a group's are
next to each other, and packing keeps them in one row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import pyarrow as pa

from contracts.packs import SPANS

TOKENS_KIND = "megatron-cdt tokens 2"
# What the id of x' is, after that of its x: a sample whose long text is masked but for some chunks.
MASKED = "#masked"


@dataclass(frozen=True)
class TokensMetadata:
    """What the schema of every tokens file says; all files of a folder say the same."""

    tokenizer_digest: str  # sha256 of the tokenizer's file
    vocab_size: int
    source_digest: str  # sha256 over the source's files
    versions: str  # the tools that decide the ids and the bytes, e.g. "pyarrow 26.0.1, sentencepiece 0.2.3"
    places: bool = False  # every sample's question and long text are known: two columns more
    together: int = 1  # documents of a group

    def to_arrow(self) -> dict[str, str]:
        """As Arrow schema metadata, which holds text only; a value that most folders have is left out."""
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        usual = {field.name: field.default for field in fields(self)}
        return {"kind": TOKENS_KIND} | {name: str(value) for name, value in told.items() if value != usual[name]}

    @classmethod
    def from_arrow(cls, metadata: Mapping[bytes, bytes] | None) -> "TokensMetadata":
        """The inverse of `to_arrow`; raises KeyError or ValueError for what is not ours."""
        text = {key.decode(): value.decode() for key, value in (metadata or {}).items()}
        if text["kind"] != TOKENS_KIND:
            raise ValueError(text["kind"])
        return cls(
            text["tokenizer_digest"],
            int(text["vocab_size"]),
            text["source_digest"],
            text["versions"],
            places=text.get("places") == "True",
            together=int(text.get("together", 1)),
        )


def tokens_schema(metadata: TokensMetadata) -> pa.Schema:
    """The columns of a tokens file; spans are half-open and counted in tokens from the document's start."""
    places = [
        pa.field("question_spans", SPANS),  # what is asked
        pa.field("context_spans", SPANS),  # the long text, in stretches whose borders no chunk crosses
    ]
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("source", pa.string(), nullable=False),  # e.g. pg19/train
            pa.field("characters", pa.int64(), nullable=False),  # of the document as published, less those dropped
            pa.field("input_ids", pa.list_(pa.int32()), nullable=False),
            pa.field("label_spans", SPANS),  # null: every token is supervised, and the document may be cut
            pa.field("evidence_spans", SPANS),  # supporting passages; null: none known
            *(places if metadata.places else ()),
        ],
        metadata=metadata.to_arrow(),
    )
