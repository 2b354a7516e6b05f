"""Prompts as token rows: plain, or in the models' chat template, with the answer's beginning after it.

in : a tokenizer, the chat template and what a prompt begins with
out: the tokens that a model reads
invariant: special tokens come from the template alone; the answer's beginning follows the template.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from contracts.chat_template import ChatFrame, chat_frame, template_text
from contracts.tokenizer import Tokenizer

BESIDE_THE_TOKENIZER = "tokenizer"


class PromptSettings(Protocol):
    """The keys of an `eval` section that decide how a prompt becomes tokens."""

    begin_with_bos: bool
    chat_template: str | None
    chat_date: str


@dataclass(frozen=True)
class PromptWriter:
    """Turns prompts into tokens, for one tokenizer and one `eval` section."""

    tokenizer: Tokenizer
    settings: PromptSettings
    tokenizer_path: Path

    @cached_property
    def frame(self) -> ChatFrame:
        """The pieces of the chat template; InputError where there is none."""
        given = self.settings.chat_template
        template = template_text(None if given == BESIDE_THE_TOKENIZER else given, self.tokenizer_path)
        tokenizer = self.tokenizer
        return chat_frame(
            template, tokenizer.special_tokens, tokenizer.bos_id, tokenizer.eos_id, self.settings.chat_date
        )

    def tokens(self, text: str, answer_prefix: str = "", chat: bool = True) -> list[int]:
        """The tokens that a model reads: template (or BOS) around the text, then the answer's beginning."""
        if not (chat and self.settings.chat_template):
            beginning = [self.tokenizer.bos_id] if self.begins_with_bos else []
            return [*beginning, *self.tokenizer.encode(text + answer_prefix)]
        pieces = [*self.frame.before, text.strip(), *self.frame.between, answer_prefix]
        return self.tokenizer.encode_pieces(pieces)[0]

    @property
    def begins_with_bos(self) -> bool:
        """Whether a plain prompt starts with BOS."""
        return self.settings.begin_with_bos and self.tokenizer.bos_id is not None
