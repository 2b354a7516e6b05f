"""Prompts as token rows: plain, or in the models' chat template, with the answer's beginning after it.

A text sample: {"input" (before any template), "context": [start, end) characters of the long text in it, "question",
"answer_prefix", "answers", "chat", "tokens_to_generate", "input_ids", "length"}; methods of inference that shorten the
context put another text in place of that span and call `prompt_tokens` again.
invariant: length = tokens of the prompt + tokens_to_generate; special tokens come from the template alone.
"""

from dataclasses import dataclass, field
from pathlib import Path

from eval.building.build_context import BuildContext
from eval.building.prompt_writer import PromptWriter


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
