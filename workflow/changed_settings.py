"""What is another between the parameters of a job's last execution and those of now, in words.

in : the params that only before, or only now, are there, as Python literals; Snakemake keeps no names for them
out: a phrase for every setting with its old and new value, one for the code with its definitions, one for the others
"""

import ast
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping

from workflow.command_code import code_changes

SHA256 = re.compile(r"[0-9a-f]{64}")
# It is named after a training's settings, which are told themselves.
RUN_FOLDER = re.compile(r"/run-[0-9a-f]{12}(?![0-9a-f])")
# Versions of packages are a section of their own (workflow/packages.py).
PACKAGE = re.compile(r"^packages\.")
SHOWN = 3
ABSENT = object()


def changes(before: Iterable[str], now: Iterable[str]) -> list[str]:
    """All that changed: settings by their keys, code by its definitions, and what is neither as it is."""
    old, new = values_of(before), values_of(now)
    pairs = alike(sections_of(old), sections_of(new))
    found = [difference for one, other in pairs for difference in differences(one, other)]
    words = [f"the {'package' if PACKAGE.match(told) else 'setting'} {PACKAGE.sub('', told)}" for told in found]
    codes = ([value for value in side if is_digest(value)] for side in (old, new))
    words += [f"the code is another: {shortened(code_changes(*pair))}" for pair in zip(*codes, strict=False)]
    others = [[str(value) for value in side if not section_text(value) and not is_digest(value)] for side in (old, new)]
    plain = [[value for value in side if not RUN_FOLDER.search(value)] for side in others]
    if any(plain):
        words.append("a parameter was {} and is {}".format(*(shortened(side) or "not there" for side in plain)))
    return words or (["the run folder of a training is another"] if any(others) else [])


def differences(old: Mapping, new: Mapping, place: str = "") -> Iterator[str]:
    """Every key (sorted, dotted) whose values differ, as `key: old -> new`."""
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key, ABSENT), new.get(key, ABSENT)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from differences(before, after, f"{place}{key}.")
        elif before != after:
            yield f"{place}{key}: {told(before)} -> {told(after)}"


def told(value: object) -> str:
    """A setting's value in words."""
    return "not there" if value is ABSENT else repr(value)


def alike(old: list[dict], new: list[dict]) -> Iterator[tuple[dict, dict]]:
    """Each old section with the new one that it shares most keys with; they have no order and no names."""
    left = list(new)
    for section in old:
        if left:
            closest = max(left, key=lambda other: len(section.keys() & other.keys()))
            left.remove(closest)
            yield section, closest


def values_of(params: Iterable[str]) -> list:
    """The values, in an order that is the same every time."""
    return [ast.literal_eval(param) for param in sorted(params)]


def sections_of(values: list) -> list[dict]:
    """The values that are sections of the settings."""
    return [json.loads(text) for value in values if (text := section_text(value))]


def section_text(value: object) -> str:
    """The JSON object of a parameter that commands take as settings, with its option or without; else empty."""
    text = str(value)
    words = shlex.split(text) if text.startswith("--settings ") else [text]
    return words[-1] if words[-1].startswith("{") and isinstance(value, str) else ""


def is_digest(value: object) -> bool:
    """Whether a parameter is a fingerprint of code."""
    return isinstance(value, str) and bool(SHA256.fullmatch(value))


def shortened(names: Iterable[str]) -> str:
    """A few names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more
