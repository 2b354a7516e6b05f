"""The words that RULER draws from: the lists of the wonderwords package, and English words where those run out.

Keys of needles are `adjective-noun`; cwe draws from nouns, adjectives and verbs together (about 8,000). Above that
number cwe needs the settings' data key `english_words`: a text file with a word per line (.gz is read too), or RULER's
own english_words.json.
"""

import gzip
import json
from functools import cache
from importlib import resources
from pathlib import Path
from random import Random

from contracts.errors import InputError


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
