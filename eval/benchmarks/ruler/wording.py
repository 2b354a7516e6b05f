"""RULER's wording, exact to the byte, from wording.json: prompts, prefixes, needle and noise; its words; its samples.

Prompt and answer prefix together are the official template; a chat template goes around the prompt alone, and the
answer prefix follows it. Where one value is asked for, the official text takes the singular forms (`*_of_one`).
Words are those of the wonderwords package: keys of needles are `adjective-noun`; cwe draws from nouns, adjectives and
verbs together (about 8,000). Above that number cwe needs the settings' data key `english_words`: a text file with a
word per line (.gz is read too), or RULER's own english_words.json.
"""

import gzip
import json
from functools import cache
from importlib import resources
from pathlib import Path
from random import Random

from contracts.errors import InputError
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


@cache
def word_list(kind: str) -> tuple[str, ...]:
    """The `adjective`s, `noun`s or `verb`s of wonderwords, in the order of its file."""
    text = resources.files("wonderwords").joinpath(f"assets/{kind}list.txt").read_text(encoding="utf-8")
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def random_key(generator: Random) -> str:
    """One key such as `quiet-harbor`."""
    return f"{generator.choice(word_list('adjective'))}-{generator.choice(word_list('noun'))}"


@cache
def all_words() -> tuple[str, ...]:
    """Nouns, adjectives and verbs, each word once, sorted."""
    return tuple(sorted({word for kind in ("noun", "adjective", "verb") for word in word_list(kind)}))


def english_words(path: Path) -> list[str]:
    """The words of a file: one a line, or the values of a JSON object; InputError where there are none."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = content.decode("utf-8")
    words = json.loads(text).values() if path.suffix == ".json" else text.splitlines()
    different = dict.fromkeys(word.strip() for word in words if word.strip())
    if not different:
        raise InputError(f"{path}: holds no words; give one word a line")
    return list(different)
