"""Prompts that are too long lose their middle, as LongBench cuts them.

in : a prompt; the limit in tokens
out: its first and last limit / 2 tokens as text, joined and tokenised again
invariant: text that fits is not touched; a sample cut to its cell never exceeds the cell's length.
"""

from dataclasses import replace

from contracts.errors import InputError
from eval.building.build_context import BuildContext
from eval.building.prompts import Prompt, prompt_sample


def keep_ends(context: BuildContext, text: str, limit: int) -> str:
    """`text` where it has at most `limit` tokens (BOS counts), else its two ends of limit // 2 tokens each."""
    if limit < 2:
        raise InputError(f"--length {context.length}: leaves no room for the prompt; choose a longer length")
    tokens, beginning = context.tokenizer.encode(text), len(context.beginning)
    if beginning + len(tokens) <= limit:
        return text
    half = limit // 2
    return context.tokenizer.decode(tokens[: half - beginning]) + context.tokenizer.decode(tokens[-half:])


def cut_prompt(context: BuildContext, prompt: Prompt, limit: int) -> Prompt:
    """The prompt cut to `limit` tokens, with the span of what is left of its long text."""
    start, end = prompt.context
    after = len(prompt.text) - end
    text = keep_ends(context, prompt.text, limit)
    start = min(start, len(text))
    return replace(prompt, text=text, context=(start, max(start, len(text) - after)))


def sample_of_limit(context: BuildContext, prompt: Prompt, limit: int) -> dict:
    """One sample whose prompt alone is held to `limit` tokens, as the published script does."""
    return prompt_sample(context, cut_prompt(context, prompt, limit))


def sample_in_cell(context: BuildContext, prompt: Prompt) -> dict:
    """One sample whose prompt, chat template and answer together fit the length of the cell.

    The chat template is around the prompt, and joined ends may tokenise into more tokens than before: what is over
    is taken off the limit until nothing is.
    """
    limit = context.length - prompt.tokens_to_generate
    while True:
        sample = sample_of_limit(context, prompt, limit)
        over = sample["length"] - context.length
        if over <= 0:
            return sample
        limit -= over
