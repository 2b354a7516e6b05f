"""Prompts as token rows, plain or in the models' chat template, and prompts that are too long: they lose their middle,
as LongBench cuts them.

A text sample: {"input" (before any template), "context": [start, end) characters of the long text in it, "question",
"answer_prefix", "answers", "chat", "tokens_to_generate", "input_ids", "length"}; methods of inference that shorten the
context put another text in place of that span and write the prompt again (PromptWriter).
A prompt that is cut keeps its first and last limit / 2 tokens as text, joined and tokenised again.
invariants: length = tokens of the prompt + tokens_to_generate; special tokens come from the template alone, and the
answer's beginning follows it. Text that fits is not touched; a sample cut to its cell never exceeds the cell's length.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from contracts.chat_template import ChatFrame, chat_frame, template_text
from contracts.errors import InputError
from contracts.tokenizer import Tokenizer
from eval.building.context import BuildContext

BESIDE_THE_TOKENIZER = "tokenizer"

# In the order in which transformers takes the spaces out; the quotation mark between two spaces loses both.
SPACED_MARKS = (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're")


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


def keep_ends(context: BuildContext, text: str, limit: int, clean_up_spaces: bool = False) -> str:
    """`text` where it has at most `limit` tokens (BOS counts), else its two ends of limit // 2 tokens each."""
    if limit < 2:
        raise InputError(f"--length {context.length}: leaves no room for the prompt; choose a longer length")
    tokens, beginning = context.tokenizer.encode(text), len(context.beginning)
    if beginning + len(tokens) <= limit:
        return text
    half = limit // 2
    ends = (context.tokenizer.decode(part) for part in (tokens[: half - beginning], tokens[-half:]))
    return "".join(without_spaces_before_marks(end) if clean_up_spaces else end for end in ends)


def without_spaces_before_marks(text: str) -> str:
    """What transformers' `clean_up_tokenization_spaces` leaves of a decoded text."""
    for spaced in SPACED_MARKS:
        text = text.replace(spaced, spaced.strip())
    return text


def cut_prompt(context: BuildContext, prompt: Prompt, limit: int, clean_up_spaces: bool = False) -> Prompt:
    """The prompt cut to `limit` tokens, with the span of what is left of its long text."""
    start, end = prompt.context
    after = len(prompt.text) - end
    text = keep_ends(context, prompt.text, limit, clean_up_spaces)
    start = min(start, len(text))
    return replace(prompt, text=text, context=(start, max(start, len(text) - after)))


def sample_of_limit(context: BuildContext, prompt: Prompt, limit: int, clean_up_spaces: bool = False) -> dict:
    """One sample whose prompt alone is held to `limit` tokens, as the published script does."""
    return prompt_sample(context, cut_prompt(context, prompt, limit, clean_up_spaces))


def sample_in_cell(context: BuildContext, prompt: Prompt, clean_up_spaces: bool = False) -> dict:
    """One sample whose prompt, chat template and answer together fit the length of the cell.

    The chat template is around the prompt, and joined ends may tokenise into more tokens than before: what is over
    is taken off the limit until nothing is.
    """
    limit = context.length - prompt.tokens_to_generate
    while True:
        sample = sample_of_limit(context, prompt, limit, clean_up_spaces)
        over = sample["length"] - context.length
        if over <= 0:
            return sample
        limit -= over
