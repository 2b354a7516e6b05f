"""What a record becomes: its tokens, which of them are learned and which are evidence, or why it is left out.

Spans are half-open and counted in tokens from the start of the record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from data_prep.sources.source import BadRecord, Document, Sample

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
