"""Prompts as token rows: plain, or in the models' chat template, with the answer's beginning after it.

A text sample: {"input" (before any template), "context": [start, end) characters of the long text in it, "question",
"answer_prefix", "answers", "chat", "tokens_to_generate", "input_ids", "length"}; methods of inference that shorten the
context put another text in place of that span and call `prompt_tokens` again.
invariant: length = tokens of the prompt + tokens_to_generate; special tokens come from the template alone.
"""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from contracts.chat_template import ChatFrame, chat_frame, template_text
from contracts.tokenizer import Tokenizer
from eval.build_context import BuildContext
from eval.settings import EvalSettings

BESIDE_THE_TOKENIZER = "tokenizer"


@dataclass(frozen=True)
class Prompt:
    """One prompt as its benchmark words it; `context` is the character span of its long text.

    `chat` is False for prompts that the benchmark never puts into a chat template.
    """

    text: str
    answers: list[str]
    tokens_to_generate: int
    context: tuple[int, int]
    question: str = ""
    answer_prefix: str = ""
    chat: bool = True
    more: dict = field(default_factory=dict)


@dataclass(frozen=True)
class PromptWriter:
    """Turns prompts into tokens, for one tokenizer and one `eval` section."""

    tokenizer: Tokenizer
    settings: EvalSettings
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
        ids: list[int] = []
        for piece in joined([*self.frame.before, text.strip(), *self.frame.between, answer_prefix]):
            ids += [piece] if isinstance(piece, int) else self.tokenizer.encode(piece)
        return ids

    @property
    def begins_with_bos(self) -> bool:
        """Whether a plain prompt starts with BOS."""
        return self.settings.begin_with_bos and self.tokenizer.bos_id is not None


def joined(pieces: list[str | int]) -> list[str | int]:
    """Neighbouring texts as one, so that a token may span them; empty texts left out."""
    result: list[str | int] = []
    for piece in pieces:
        if isinstance(piece, str) and result and isinstance(result[-1], str):
            result[-1] += piece
        elif piece != "":
            result.append(piece)
    return result


def prompt_writer(context: BuildContext) -> PromptWriter:
    """The writer of a cell's prompts."""
    return PromptWriter(context.tokenizer, context.settings, Path(context.tokenizer_path or "."))


def prompt_sample(context: BuildContext, prompt: Prompt) -> dict:
    """One sample that a model answers by writing on (the file's head says what it holds)."""
    input_ids = prompt_writer(context).tokens(prompt.text, prompt.answer_prefix, prompt.chat)
    return {
        "input": prompt.text,
        "context": list(prompt.context),
        "question": prompt.question,
        "answer_prefix": prompt.answer_prefix,
        "answers": prompt.answers,
        "chat": prompt.chat,
        "tokens_to_generate": prompt.tokens_to_generate,
        "input_ids": input_ids,
        "length": len(input_ids) + prompt.tokens_to_generate,
        **prompt.more,
    }
