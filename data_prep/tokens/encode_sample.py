"""Samples to tokens: the chat template around question and answer, the answer's tokens as labels, evidence as spans.

in : a Sample      out: Encoded; one that the settings do not want says why
Invariants: the ids are those of the rendered conversation, special tokens of the template as such; labels are the
answer's tokens and those that end its turn, so that the model learns to stop; nothing of the prompt is learned.
"""

from dataclasses import dataclass, field

import numpy as np

from contracts.chat_template import ChatFrame, chat_frame
from contracts.errors import InputError
from contracts.tokenizer import Tokenizer
from data_prep.settings import CorpusSettings, SampleSettings, TokenizeSettings
from data_prep.sources.source import BadRecord, Sample
from data_prep.tokens.encode_document import NO_TOKENS, Encoded, TokenSpans

# A mark on the characters of a run: what they are.
Mark = tuple[str, int, int]


@dataclass
class Conversation:
    """A conversation in the making: runs of text are encoded as a whole, special tokens lie between them."""

    tokenizer: Tokenizer
    ids: list[int] = field(default_factory=list)
    added: int = 0  # special tokens so far
    spans: dict[str, TokenSpans] = field(default_factory=dict)  # of each kind of mark
    text: list[str] = field(default_factory=list)  # the run that is not encoded yet
    length: int = 0  # characters of it
    marks: list[Mark] = field(default_factory=list)

    def add_text(self, text: str, marks: list[Mark] | None = None) -> None:
        """Go on with `text`; marks count its characters."""
        self.marks += [(kind, self.length + begin, self.length + end) for kind, begin, end in marks or []]
        self.text.append(text)
        self.length += len(text)

    def add_special(self, token: int, kind: str | None = None) -> None:
        """End the run and add one special token, marked as `kind`."""
        self.end_run()
        if kind:
            self.spans.setdefault(kind, []).append((len(self.ids), len(self.ids) + 1))
        self.ids.append(token)
        self.added += 1

    def end_run(self) -> None:
        """Encode the run; marks on characters become spans of tokens."""
        ids, offsets = self.tokenizer.encode_with_offsets("".join(self.text))
        begins, ends = np.array(offsets, dtype=np.int64).reshape(-1, 2).T
        for kind, begin, end in self.marks:
            first = int(np.searchsorted(ends, begin, side="right"))
            beyond = int(np.searchsorted(begins, end, side="left"))
            if first < beyond:
                self.spans.setdefault(kind, []).append((len(self.ids) + first, len(self.ids) + beyond))
        self.ids += ids
        self.text, self.length, self.marks = [], 0, []


class SampleEncoder:
    """See data_prep.tokens.encode_document.Encoder."""

    def __init__(self, tokenizer: Tokenizer, settings: TokenizeSettings, frame: ChatFrame) -> None:
        self.tokenizer = tokenizer
        self.wanted = settings.samples
        self.frame = with_specials(frame, tokenizer, settings)

    def encode(self, record: Sample) -> Encoded | BadRecord:
        reason = unwanted(record, self.wanted)
        if reason:
            return Encoded(NO_TOKENS, record.characters, left_out=reason)
        conversation = self.conversation(record)
        ids = np.array(conversation.ids, dtype=np.int32)
        labels = joined(conversation.spans.get("answer", []))
        if not labels:
            return BadRecord(record.where, "no tokens", f"the answer of sample {record.id} has no tokens", "remove it")
        evidence = None if record.evidence is None else conversation.spans.get("evidence", [])
        return Encoded(
            ids,
            record.characters,
            conversation.added,
            record.dropped_characters,
            labels,
            evidence,
            wrong_length(len(ids), self.wanted),
        )

    def conversation(self, record: Sample) -> Conversation:
        """The template's pieces with the two messages between them."""
        made = Conversation(self.tokenizer)
        add_pieces(made, self.frame.before)
        made.add_text(record.prompt, [("evidence", begin, end) for begin, end in record.evidence or ()])
        add_pieces(made, self.frame.between)
        made.add_text(record.answer, [("answer", 0, len(record.answer))])
        stop = next((place for place, piece in enumerate(self.frame.after) if isinstance(piece, int)), -1)
        add_pieces(made, self.frame.after[: stop + 1], "answer")
        add_pieces(made, self.frame.after[stop + 1 :])
        made.end_run()
        return made


def add_pieces(made: Conversation, pieces: tuple[str | int, ...], kind: str | None = None) -> None:
    """Add literal pieces of the template, all of them marked as `kind`."""
    for piece in pieces:
        if isinstance(piece, int):
            made.add_special(piece, kind)
        else:
            made.add_text(piece, [(kind, 0, len(piece))] if kind else None)


def with_specials(frame: ChatFrame, tokenizer: Tokenizer, settings: TokenizeSettings) -> ChatFrame:
    """The frame with the BOS and EOS that the settings ask for, where the template has none of its own."""
    before, after = frame.before, frame.after
    if settings.bos and before[:1] != (tokenizer.bos_id,):
        before = (tokenizer.bos_id, *before)
    if not any(isinstance(piece, int) for piece in after):
        if not settings.eos:
            raise InputError("chat template: no special token ends an answer; set tokenize.eos: true or choose another")
        after = (*after, tokenizer.eos_id)
    return ChatFrame(before, frame.between, after)


def unwanted(record: Sample, wanted: SampleSettings) -> str | None:
    """The reason why the settings do not want a sample, as far as its text tells."""
    if record.language is not None and wanted.languages and record.language not in wanted.languages:
        return "another language"
    if record.evidence is not None and len(record.evidence) < wanted.min_evidence:
        return "fewer supporting passages than min_evidence"
    if record.evidence is not None and len(record.evidence) > wanted.max_evidence:
        return "more supporting passages than max_evidence"
    return None


def wrong_length(tokens: int, wanted: SampleSettings) -> str | None:
    """The reason why the settings do not want a sample of so many tokens."""
    if tokens < wanted.min_tokens:
        return "shorter than min_tokens"
    return "longer than max_tokens" if tokens > wanted.max_tokens else None


def joined(spans: TokenSpans) -> TokenSpans:
    """Spans that touch or overlap become one."""
    found: TokenSpans = []
    for begin, end in spans:
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def encoder_of(
    tokenizer: Tokenizer, settings: TokenizeSettings, corpus: CorpusSettings, template: str
) -> SampleEncoder:
    """The encoder of a process."""
    date = settings.samples.template_date
    frame = chat_frame(template, tokenizer.special_tokens, tokenizer.bos_id, tokenizer.eos_id, date)
    return SampleEncoder(tokenizer, settings, frame)
