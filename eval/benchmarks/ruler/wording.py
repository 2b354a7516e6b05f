"""RULER's wording, read from wording.json: prompts, answer prefixes, needle and noise, exact to the byte.

Prompt and answer prefix together are the official template; a chat template goes around the prompt alone, and the
answer prefix follows it. Where one value is asked for, the official text takes the singular forms (`*_of_one`).
"""

import json
from functools import cache
from pathlib import Path

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
