"""Typed, frozen, validated settings: the base class, loading, and one-line errors.

A stage's settings class lives in its own room and derives from `Settings`. Unknown keys are errors.
A settings argument on the command line is a YAML/JSON file or the JSON text itself.
"""

import difflib
import json
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from contracts.errors import InputError
from contracts.yaml_files import yaml_object


class Settings(BaseModel):
    """Base of every settings class: immutable, and a key that nobody reads is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def truth_is_no_number(cls, values: object) -> object:
        """Refuse `steps: true`, which pydantic takes for 1."""
        for key, value in values.items() if isinstance(values, dict) else ():
            annotation = cls.model_fields[key].annotation if key in cls.model_fields else bool
            if isinstance(value, bool) and not {bool, object, Any} & {annotation, *get_args(annotation)}:
                raise ValueError(f"{key}: {str(value).lower()} is neither a number nor a text; write its value")
        return values


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
        # An unknown key first: where it is a misspelt one, it is why another is missing.
        first = min(error.errors(), key=lambda complaint: complaint["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"])
        place = f"{origin}: {key}" if key else origin
        message = first["msg"].removeprefix("Value error, ").replace("Extra inputs are not permitted", "no such key")
        raise InputError(f"{place}: {message}{hint(kind, first)}") from None


def hint(kind: type[Settings], complaint: dict) -> str:
    """The cure for a complaint: the known keys for an unknown one, else the value that was given."""
    if complaint["type"] == "extra_forbidden":
        keys = known_keys(kind, complaint["loc"][:-1])
        nearest = difflib.get_close_matches(str(complaint["loc"][-1]), keys, n=1)
        meant = f" (did you mean {nearest[0]}?)" if nearest else ""
        return meant + (f"; known keys: {', '.join(keys)}" if keys else "")
    if complaint["type"] == "missing" or not complaint["loc"]:
        return ""
    return f" (given: {complaint['input']!r})"


def known_keys(kind: type[Settings], place: tuple) -> list[str]:
    """The keys of the section `place` of a settings class; none where that is no one class."""
    for part in place:
        annotation = kind.model_fields[part].annotation if part in kind.model_fields else None
        kinds = [
            one for one in (annotation, *get_args(annotation)) if isinstance(one, type) and issubclass(one, Settings)
        ]
        if len(kinds) != 1:
            return []
        kind = kinds[0]
    return list(kind.model_fields)


def json_object(text: str) -> dict:
    """A JSON object from text, or one line that says where it breaks."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"settings: not valid JSON at column {error.colno}: {error.msg}") from None
