"""Question sets in their published layouts: what training and evaluation both read of a record, and its wording.

One module a set. What is trained and what is asked are the same text, because both are made here.
"""

from dataclasses import dataclass
from importlib.resources import files

Span = tuple[int, int]


@dataclass(frozen=True)
class Worded:
    """A prompt; spans are half-open and counted in characters of it."""

    text: str
    context: Span  # the long text
    question: Span


@dataclass(frozen=True)
class Wording:
    """A published prompt: NAME.prompt, with its fields for the long text and for the question in braces."""

    name: str
    context: str = "{context}"
    question: str = "{question}"
    last_line_end: bool = True  # False: the file's last line end is no part of it

    def with_texts(self, context: str, question: str, **more: str) -> Worded:
        """The prompt of one question; `more` are the fields that come after it."""
        published = files(__package__).joinpath(f"{self.name}.prompt").read_text(encoding="utf-8")
        published = published if self.last_line_end else published.rstrip("\n")
        before, after = published.split(self.context)
        between, end = after.split(self.question)
        asked = len(before) + len(context) + len(between)
        text = "".join([before, context, between, question, end.format(**more)])
        return Worded(text, (len(before), len(before) + len(context)), (asked, asked + len(question)))
