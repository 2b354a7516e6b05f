"""Documents to tokens: the whole text, with the BOS and EOS that the settings ask for.

in : a Document      out: Encoded, or a BadRecord where the text has no tokens
"""

import numpy as np

from contracts.tokenizer import Tokenizer
from data_prep.corpus_settings import CorpusSettings
from data_prep.encoded import Encoded
from data_prep.sources.source import BadRecord, Document, with_line_ends
from data_prep.tokenize_settings import TokenizeSettings


class DocumentEncoder:
    """See data_prep.encoded.Encoder."""

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
