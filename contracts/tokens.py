"""Tokens: tokenized documents in Arrow IPC files, one row per document.

in : a folder of tokens-00000.arrow, tokens-00001.arrow ... (uncompressed, memory-mapped; written by data_prep)
out: the schema, and what its metadata says
Invariant: rows are ordered by the source's own order of documents (for folders: by id), not by how the
files happened to be listed or by which worker was first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import pyarrow as pa

from contracts.packs import SPANS

TOKENS_KIND = "megatron-cdt tokens 2"


@dataclass(frozen=True)
class TokensMetadata:
    """What the schema of every tokens file says; all files of a folder say the same."""

    tokenizer_digest: str  # sha256 of the tokenizer's file
    vocab_size: int
    source_digest: str  # sha256 over the source's files
    versions: str  # the tools that decide the ids and the bytes, e.g. "pyarrow 26.0.1, sentencepiece 0.2.3"

    def to_arrow(self) -> dict[str, str]:
        """As Arrow schema metadata, which holds text only."""
        return {"kind": TOKENS_KIND} | {field.name: str(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_arrow(cls, metadata: Mapping[bytes, bytes] | None) -> "TokensMetadata":
        """The inverse of `to_arrow`; raises KeyError or ValueError for what is not ours."""
        text = {key.decode(): value.decode() for key, value in (metadata or {}).items()}
        if text["kind"] != TOKENS_KIND:
            raise ValueError(text["kind"])
        return cls(text["tokenizer_digest"], int(text["vocab_size"]), text["source_digest"], text["versions"])


def tokens_schema(metadata: TokensMetadata) -> pa.Schema:
    """The columns of a tokens file; spans are half-open and counted in tokens from the document's start."""
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("source", pa.string(), nullable=False),  # e.g. pg19/train
            pa.field("characters", pa.int64(), nullable=False),  # of the document as published, less those dropped
            pa.field("input_ids", pa.list_(pa.int32()), nullable=False),
            pa.field("label_spans", SPANS),  # null: every token is supervised, and the document may be cut
            pa.field("evidence_spans", SPANS),  # supporting passages; null: none known
        ],
        metadata=metadata.to_arrow(),
    )
