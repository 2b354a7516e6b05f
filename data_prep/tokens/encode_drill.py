"""Drills to tokens: the whole text, its answers as labels, what they rest on as evidence.

in : a Drill, or a Document that is learned as a whole      out: Encoded
Invariants: the ids are those of the whole text; a token is learned if any of its characters is an answer's; where the
text ends in an answer, the EOS that the settings ask for is learned too.
"""

import numpy as np

from contracts.tokenizer import Tokenizer
from data_prep.settings import CorpusSettings, TokenizeSettings
from data_prep.sources.source import BadRecord, Document, Drill
from data_prep.tokens.encode_document import DocumentEncoder, Encoded
from data_prep.tokens.encode_sample import Conversation, joined


class DrillEncoder:
    """See data_prep.tokens.encode_document.Encoder."""

    def __init__(self, tokenizer: Tokenizer, settings: TokenizeSettings, corpus: CorpusSettings) -> None:
        self.tokenizer, self.settings = tokenizer, settings
        self.passages = DocumentEncoder(tokenizer, settings.model_copy(update={"eos": False}), corpus)

    def encode(self, record: Drill | Document) -> Encoded | BadRecord:
        if isinstance(record, Document):
            # A passage ends anywhere: no EOS is learned there.
            return self.passages.encode(record)
        made = Conversation(self.tokenizer)
        if self.settings.bos:
            made.add_outside(self.tokenizer.bos_id)
        marks = [("answer", *span) for span in record.answers] + [("evidence", *span) for span in record.evidence]
        made.add_text(record.text, marks)
        made.encode()
        if self.settings.eos:
            ends_in_answer = bool(record.answers) and record.answers[-1][1] == len(record.text)
            made.add_outside(self.tokenizer.eos_id, "answer" if ends_in_answer else None)
        labels, evidence = (joined(made.spans.get(kind, [])) for kind in ("answer", "evidence"))
        ids = np.array(made.ids, dtype=np.int32)
        return Encoded(ids, len(record.text), made.added, label_spans=labels, evidence_spans=evidence)


def encoder_of(tokenizer: Tokenizer, settings: TokenizeSettings, corpus: CorpusSettings, template: str) -> DrillEncoder:
    """The encoder of a process; drills need no chat template."""
    return DrillEncoder(tokenizer, settings, corpus)
