"""RULER's wording, exact to the byte, from wording.json: prompts, answer prefixes, needle and noise; and its samples.

Prompt and answer prefix together are the official template; a chat template goes around the prompt alone, and the
answer prefix follows it. Where one value is asked for, the official text takes the singular forms (`*_of_one`).
"""

import json
from functools import cache
from pathlib import Path

from eval.building.context import BuildContext
from eval.building.prompts import Prompt, prompt_sample

FILE = Path(__file__).with_name("wording.json")


@cache
def wording() -> dict:
    """Everything in wording.json."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def noise() -> str:
    """The line of five short sentences that fills the noise haystack."""
    return wording()["noise"]


def needle_prompt(values: int) -> tuple[str, str]:
    """(prompt, answer prefix) of a needle task whose answer has `values` values."""
    niah = wording()["niah"]
    suffix = "_of_one" if values == 1 else ""
    return niah[f"prompt{suffix}"], niah[f"answer_prefix{suffix}"]


def prompt_of(task: str) -> tuple[str, str]:
    """(prompt, answer prefix) of vt, cwe, fwe or qa."""
    return wording()[task]["prompt"], wording()[task]["answer_prefix"]


def ruler_sample(
    context: BuildContext, prompt: str, answer_prefix: str, *, text: str, question: str, answers: list[str], more: dict
) -> dict:
    """The row of a prompt in which `text`, at its last occurrence, is the long context."""
    start = prompt.rindex(text)
    return prompt_sample(
        context,
        Prompt(
            text=prompt,
            answers=answers,
            tokens_to_generate=getattr(context.options, context.task).tokens_to_generate,
            context=(start, start + len(text)),
            question=question,
            answer_prefix=answer_prefix,
            more=more,
        ),
    )
