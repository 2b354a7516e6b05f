"""What a record becomes, and the plainest way there: a document's whole text, with the BOS and EOS of the settings.

in : a Document      out: Encoded, or a BadRecord where the text has no tokens
Spans are half-open and counted in tokens from the start of the record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from contracts.tokenizer import Tokenizer
from data_prep.settings import CorpusSettings, TokenizeSettings
from data_prep.sources.source import BadRecord, Document, Sample, with_line_ends

TokenSpans = list[tuple[int, int]]
NO_TOKENS = np.zeros(0, dtype=np.int32)


@dataclass(frozen=True)
class Encoded:
    """The tokens of one record."""

    ids: np.ndarray  # int32 [tokens]
    characters: int  # of the record as published
    added: int = 0  # special tokens among the ids: BOS, EOS, those of a chat template
    dropped_characters: Mapping[str, int] = field(default_factory=dict)  # {reason: characters} of a record that is kept
    label_spans: TokenSpans | None = None  # None: every token is learned
    evidence_spans: TokenSpans | None = None  # None: not known
    left_out: str | None = None  # the reason why the settings do not want this record


class Encoder(Protocol):
    """Turns the records of one kind of source into tokens."""

    def encode(self, record: Document | Sample) -> Encoded | BadRecord:
        """The tokens of a record; a BadRecord where it has none."""


class DocumentEncoder:
    """See Encoder."""

    def __init__(self, tokenizer: Tokenizer, settings: TokenizeSettings, corpus: CorpusSettings) -> None:
        self.tokenizer = tokenizer
        self.line_ends = corpus.line_ends
        self.before = [tokenizer.bos_id] if settings.bos else []
        self.after = [tokenizer.eos_id] if settings.eos else []

    def encode(self, record: Document) -> Encoded | BadRecord:
        text = with_line_ends(record.text, self.line_ends)
        tokens = self.tokenizer.encode_array(text)
        if not len(tokens):
            return BadRecord(record.where, "no tokens", f"document {record.id} has no tokens", "remove it")
        added = len(self.before) + len(self.after)
        ids = np.concatenate([self.before, tokens, self.after]).astype(np.int32) if added else tokens
        returns = len(record.text) - len(text)
        return Encoded(ids, len(record.text), added, {"CR of CRLF line ends": returns} if returns else {})


def encoder_of(
    tokenizer: Tokenizer, settings: TokenizeSettings, corpus: CorpusSettings, template: str
) -> DocumentEncoder:
    """The encoder of a process; documents need no chat template."""
    return DocumentEncoder(tokenizer, settings, corpus)
