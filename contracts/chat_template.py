"""The chat template of the target model: what stands around a question and its answer.

in : the text of a Jinja template, a tokenizer      out: ChatFrame: the pieces before, between and after the messages
Invariant: special tokens come from the template alone. It is rendered once, with marks in place of the two messages,
so a message that spells a special token stays text; messages are given to it without outer whitespace.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from contracts.companion_files import read_companion
from contracts.errors import InputError
from contracts.files import is_file, shown_path

QUESTION, ANSWER = "\ue000question\ue000", "\ue001answer\ue001"
TEMPLATE_NAME = "chat_template.jinja"
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


@dataclass(frozen=True)
class ChatFrame:
    """Literal pieces of the rendered conversation: text, and the ids of special tokens."""

    before: tuple[str | int, ...]
    between: tuple[str | int, ...]
    after: tuple[str | int, ...]


def template_text(path: str | None, tokenizer_path: Path) -> str:
    """The template at `path`, or the one beside the tokenizer; InputError where there is none."""
    if path:
        if not is_file(path):
            if "{{" in path or "{%" in path:
                shown = shown_path(path)
                raise InputError(f"chat_template: {shown} is a template's text; write it to a file and name that")
            raise InputError(f"{shown_path(path)}: no such chat template; correct chat_template in the settings")
        return Path(path).read_text(encoding="utf-8-sig")
    folder = tokenizer_path if tokenizer_path.is_dir() else tokenizer_path.parent
    if (folder / TEMPLATE_NAME).is_file():
        return (folder / TEMPLATE_NAME).read_text(encoding="utf-8-sig")
    template = read_companion(folder / "tokenizer_config.json").get("chat_template")
    if isinstance(template, list):
        template = {entry["name"]: entry["template"] for entry in template}.get("default")
    if not template:
        cure = f"put {TEMPLATE_NAME} there, or set chat_template in the settings to the target model's"
        raise InputError(f"{folder}: no chat template, and the settings ask for one; {cure}")
    return template


def chat_frame(template: str, special: Mapping[str, int], bos: int | None, eos: int | None, date: str) -> ChatFrame:
    """The pieces around a question and its answer; InputError where the template does not give each once, in order."""
    names = {token: name for name, token in special.items()}
    rendered = render(template, {"bos_token": names.get(bos, ""), "eos_token": names.get(eos, "")}, date)
    pattern = f"(?s)(.*){QUESTION}(.*){ANSWER}(.*)"
    frame = re.fullmatch(pattern, rendered)
    if not frame or rendered.count(QUESTION) != 1 or rendered.count(ANSWER) != 1:
        raise InputError("chat template: does not give the question and then the answer, each once; choose another")
    return ChatFrame(*(pieces_of(text, special) for text in frame.groups()))


def render(template: str, tokens: Mapping[str, str], date: str) -> str:
    """The conversation as transformers would render it, on the day `date` (year-month-day)."""
    # The same switches as transformers; a sandbox, because a template is a program of somebody else.
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    environment.globals |= {"raise_exception": refuse, "strftime_now": lambda style: day_as(date, style)}
    messages = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}]
    try:
        return environment.from_string(template).render(messages=messages, add_generation_prompt=False, **tokens)
    except jinja2.TemplateError as error:
        raise InputError(f"chat template: {error}; choose another") from None


def refuse(message: str) -> None:
    """What templates call where they cannot take a conversation."""
    raise jinja2.TemplateError(message)


def day_as(date: str, style: str) -> str:
    """A year-month-day in strftime's style, in English whatever the locale."""
    year, month, day = date.split("-")
    name = MONTHS[int(month) - 1]
    parts = {"%Y": year, "%m": month, "%d": day, "%B": name, "%b": name[:3]}
    return re.sub("%.", lambda directive: parts.get(directive[0], ""), style)


def pieces_of(text: str, special: Mapping[str, int]) -> tuple[str | int, ...]:
    """A literal of the template as text and ids of special tokens, in order."""
    if not special:
        return (text,) if text else ()
    pattern = "|".join(re.escape(name) for name in sorted(special, key=len, reverse=True))
    pieces = re.split(f"({pattern})", text)
    return tuple(special.get(piece, piece) if place % 2 else piece for place, piece in enumerate(pieces) if piece)
