"""What a backend is asked and what it answers, whichever it is.

invariant: an answer depends on its own request alone, never on the requests beside it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from contracts.tokenizer import Tokenizer


@dataclass(frozen=True)
class Request:
    """One prompt. The answer has at most `most` tokens, ends at none before it has `least`, and is cut at a stop."""

    input_ids: list[int]
    most: int
    least: int = 0
    stop: tuple[str, ...] = ()

    @property
    def room(self) -> int:
        """Tokens of prompt and longest answer."""
        return len(self.input_ids) + self.most


@dataclass(frozen=True)
class Answer:
    """The text up to the first stop string, and how many tokens were made for it (the end-of-text token is none)."""

    text: str
    tokens: int
    # Share of the blocks of attention that was computed over the prompt; None where the model's own attention was used.
    computed_blocks: float | None = None
    # Whether transformers gave the same text; None where it was not asked.
    same_as_transformers: bool | None = None


class Backend(Protocol):
    """A loaded model."""

    def losses(self, input_ids: list[int]) -> tuple[list[float], float | None]:
        """(loss in nats of every token but the first, share of the computed blocks) of one row."""

    def answers(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """One answer for each request, in their order, each as soon as it and those before it are done."""


def request_of(row: dict, input_ids: list[int] | None = None) -> Request:
    """What a text sample asks for; `input_ids` in place of its own where a method has shortened the prompt."""
    return Request(
        input_ids=input_ids or row["input_ids"],
        most=row["tokens_to_generate"],
        least=row.get("min_new_tokens", 0),
        stop=tuple(row.get("stop", ())),
    )


def first_stop(text: str, stop: Sequence[str]) -> int | None:
    """Where the earliest stop string begins in `text`; None where none is in it."""
    places = [place for place in (text.find(string) for string in stop) if place >= 0]
    return min(places, default=None)


def stopped_answer(tokenizer: Tokenizer, tokens: list[int], stop: Sequence[str]) -> Answer:
    """The answer that `tokens` give: up to the token with which the first stop string is complete."""
    count = len(tokens)
    if stop:
        complete = (n for n in range(1, count + 1) if first_stop(tokenizer.decode(tokens[:n]), stop) is not None)
        count = next(complete, count)
    text = tokenizer.decode(tokens[:count])
    return Answer(text[: first_stop(text, stop)], count)


def early_ends(tokenizer: Tokenizer, request: Request) -> set[int]:
    """Tokens that are a stop string by themselves, where the answer has a least length that they would cut short."""
    last = [tokenizer.encode(string)[-1:] for string in request.stop] if request.least else []
    return {ids[0] for ids in last if ids and tokenizer.decode(ids) in request.stop}
