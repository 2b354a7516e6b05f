"""A text made of pieces as a row: its tokens, the answer's labels, and which tokens belong to which piece.

in : the pieces in order, the answer last; the settings: BOS, or the models' chat template
out: {"input_ids", "labels" (-100 except the answer's tokens), "spans": [{"kind", "start", "end"}]}
invariants: the spans cover the row exactly once; a token belongs to the text in which it starts. In a chat template the
row is the prompt that other benchmarks would write (eval.building.prompts): all before the answer is the user's
turn, and the answer begins the model's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from contracts.chat_template import ChatFrame
from eval.building.context import BuildContext
from eval.building.prompts import prompt_writer

IGNORED = -100
# Kinds whose neighbouring pieces are one span.
JOINED = ("irrelevant", "template")


@dataclass(frozen=True)
class Piece:
    """A part of the row that is all of one kind: a text, or one special token."""

    kind: str
    text: str
    token: int | None = None


def labelled_row(context: BuildContext, pieces: list[Piece]) -> dict:
    """The row of these pieces (the file's head says what it holds)."""
    input_ids: list[int] = []
    spans: list[dict] = []
    for kind, ids in encoded(context, framed(context, pieces)):
        start, end = len(input_ids), len(input_ids) + len(ids)
        if kind in JOINED and spans and spans[-1]["kind"] == kind:
            spans[-1]["end"] = end
        else:
            spans.append({"kind": kind, "start": start, "end": end})
        input_ids += ids
    answer = spans[-1]
    labels = [IGNORED] * answer["start"] + input_ids[answer["start"] :]
    return {"input_ids": input_ids, "labels": labels, "spans": spans}


def framed(context: BuildContext, pieces: list[Piece]) -> list[Piece]:
    """The pieces in the chat template; without one after BOS, where the settings ask for it."""
    if context.settings.chat_template:
        return in_chat(prompt_writer(context).frame, pieces)
    return [*(Piece("start", "", token) for token in context.beginning), *pieces]


def in_chat(frame: ChatFrame, pieces: list[Piece]) -> list[Piece]:
    """The pieces as a conversation, without white space around the text and the answer but the template's own."""
    first, *others, last, answer = pieces
    text = [replace(first, text=first.text.lstrip()), *others, replace(last, text=last.text.rstrip())]
    return [*after(frame.before, text[0]), *text[1:], *after(frame.between, replace(answer, text=answer.text.strip()))]


def after(template: Sequence[str | int], piece: Piece) -> list[Piece]:
    """A piece behind a part of the template; a space that the template puts before it is the piece's beginning."""
    *parts, ending = template if template and isinstance(template[-1], str) else (*template, "")
    kept = ending.rstrip(" ")
    special = [Piece("template", "", part) if isinstance(part, int) else Piece("template", part) for part in parts]
    begun = replace(piece, text=ending[len(kept) :] + piece.text)
    return [*special, *([Piece("template", kept)] if kept else []), begun]


def encoded(context: BuildContext, pieces: list[Piece]) -> Iterator[tuple[str, list[int]]]:
    """(kind, tokens) of every piece; all but what the settings put before the text is tokenized as one text."""
    yield from ((piece.kind, [piece.token]) for piece in pieces if piece.kind == "start")
    rest = [piece for piece in pieces if piece.kind != "start"]
    ids, offsets = context.tokenizer.encode_pieces(
        [piece.text if piece.token is None else piece.token for piece in rest]
    )
    end_of_text, token = 0, 0
    for piece in rest:
        end_of_text += len(piece.text if piece.token is None else context.tokenizer.names[piece.token])
        first = token
        while token < len(ids) and offsets[token][0] < end_of_text:
            token += 1
        yield piece.kind, ids[first:token]
