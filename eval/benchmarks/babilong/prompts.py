"""BABILong's prompts, read from prompts.json: instruction, examples and answer format of every task, byte for byte.

The official prompt with all its parts (instruction, examples, post-prompt), context before the question.
"""

import json
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("prompts.json")


@cache
def published() -> dict:
    """Everything in prompts.json."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def labels(task: str) -> list[str]:
    """Every answer that a task knows."""
    return published()["labels"][task]


def question_prompt(task: str, context: str, question: str) -> tuple[str, tuple[int, int]]:
    """(prompt, characters [start, end) of the context in it)."""
    parts = published()["tasks"][task]
    context = context.strip()
    before, after = published()["template"].split("{context}")
    prompt = f"{before.format(**parts)}{context}{after.format(question=question)}"
    start = len(before.format(**parts)) - (len(prompt) - len(prompt.lstrip()))
    return prompt.strip(), (start, start + len(context))
