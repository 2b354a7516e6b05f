"""Typed, frozen, validated settings: the base class, loading, and one-line errors.

A stage's settings class lives in its own room and derives from `Settings`. Unknown keys are errors.
A settings argument on the command line is a YAML/JSON file or the JSON text itself.
"""

import json
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.errors import InputError


class Settings(BaseModel):
    """Base of every settings class: immutable, and a key that nobody reads is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


SomeSettings = TypeVar("SomeSettings", bound=Settings)


def load_settings(kind: type[SomeSettings], given: str | Path, section: str | None = None) -> SomeSettings:
    """Read settings of one kind from a YAML/JSON file, or from JSON text that starts with `{`.

    `section` names the key of the file that holds them (dots descend), as in `train.cdt`.
    Raises InputError with one line that names the file, the key and the cure.
    """
    text = str(given)
    origin = "settings" if text.lstrip().startswith("{") else text
    values = json_object(text) if origin == "settings" else yaml_object(Path(text))
    for key in section.split(".") if section else []:
        if key not in values:
            raise InputError(f"{origin}: no section '{section}'; add it or choose another file")
        values = values[key]
    return validated(kind, values, origin)


def validated(kind: type[SomeSettings], values: dict, origin: str) -> SomeSettings:
    """`values` as settings of `kind`; the first of pydantic's complaints as one line otherwise."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or kind.__name__
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{origin}: {key}: {message}{hint(kind, first)}") from None


def hint(kind: type[Settings], complaint: dict) -> str:
    """The cure for a complaint: the known keys for an unknown one, else the value that was given."""
    if complaint["type"] == "extra_forbidden" and len(complaint["loc"]) == 1:
        return f"; known keys: {', '.join(kind.model_fields)}"
    if complaint["type"] in {"missing", "extra_forbidden"}:
        return ""
    return f" (given: {complaint['input']!r})"


def json_object(text: str) -> dict:
    """A JSON object from text, or one line that says where it breaks."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"settings: not valid JSON at column {error.colno}: {error.msg}") from None


def yaml_object(path: Path) -> dict:
    """The mapping in a YAML (or JSON) file, or one line that says what is wrong with the file."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such settings file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise InputError(f"{path}{where}: not valid YAML; check the indentation and the colons") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected keys and values at the top level")
    return values
