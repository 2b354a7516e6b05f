"""HELMET's data folder, and its prompts: the published templates filled in, the long text cut at its end where it does
not fit.

Without a chat template the task's opening words ("Answer:") end the prompt and count as the beginning of the output
when it is scored; inside a chat template HELMET leaves them out.
A file of the data folder that is absent or broken is one line that names it.
"""

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from contracts.errors import InputError
from contracts.manifest import describe_files
from eval.benchmarks.helmet.tasks import TASKS
from eval.building.context import BuildContext
from eval.building.prompts import Prompt, prompt_sample
from eval.building.records import ENDINGS, each_record

PROMPTS = Path(__file__).parent / "prompts"


@cache
def templates() -> dict:
    """{"tasks": {task: {"user", "system", "separator"}}, "parts": {name: text}}, as published."""
    return json.loads((PROMPTS / "templates.json").read_text(encoding="utf-8"))


def part(name: str) -> str:
    """One published piece of a prompt, e.g. how a passage is written."""
    return templates()["parts"][name]


@dataclass(frozen=True)
class Asked:
    """One question over one long text; `fields` fill the template, `more` is what the scorer needs besides."""

    context: str
    question: str
    answers: list
    fields: dict = field(default_factory=dict)
    more: dict = field(default_factory=dict)


def helmet_sample(context: BuildContext, asked: Asked) -> dict:
    """The sample of `asked`, with as much of the beginning of its long text as the length allows."""
    text = asked.context
    row = written(context, asked, text)
    # Cutting once can leave a token too many: what remains may be tokenized otherwise at the cut.
    while (excess := row["length"] - context.length) > 0:
        spans = context.tokenizer.encode_with_offsets(text)[1]
        if excess >= len(spans):
            raise InputError(
                f"--length {context.length}: helmet {context.task} leaves no room for its text; choose a longer length "
                "or fewer shots"
            )
        text = text[: spans[-excess][0]]
        row = written(context, asked, text)
    return {**row, "cut_characters": len(asked.context) - len(text)}


def written(context: BuildContext, asked: Asked, text: str) -> dict:
    """The sample with exactly `text` as its long text."""
    protocol, template = TASKS[context.task], templates()["tasks"][context.task]
    fields = {**asked.fields, "question": asked.question}
    in_chat = protocol.chat and context.settings.chat_template is not None
    before = template["user"].partition("{context}")[0].format(**fields)
    user = template["user"].format(**fields, context=text)
    prompt = Prompt(
        text=user if in_chat else user + template["separator"],
        answers=asked.answers,
        tokens_to_generate=protocol.tokens_to_generate,
        context=(len(before), len(before) + len(text)),
        question=asked.question,
        answer_prefix="" if in_chat else template["system"].format(**fields),
        chat=protocol.chat,
        more={**({"stop": ["\n"]} if protocol.stop_at_newline else {}), **asked.more},
    )
    return prompt_sample(context, prompt)


def share(place: int, count: int) -> float:
    """How deep item `place` of `count` lies: 0 is the first, 1 the last."""
    return place / max(1, count - 1)


DATA = "helmet"


def data_files(context: BuildContext, name: str) -> list[Path]:
    """FOLDER/name in whichever of the endings is there, or its numbered Parquet shards; a name may have its ending."""
    folder = context.data(DATA)
    for ending in ("", *ENDINGS):
        if (path := folder / f"{name}{ending}").is_file():
            return [path]
    shards = sorted(folder.glob(f"{name}-*-of-*.parquet"))
    if shards:
        return shards
    raise InputError(
        f"helmet {context.task}: no {folder / name} ({' '.join(ENDINGS)}); unpack HELMET's data into eval.data.helmet"
    )


def data_file(context: BuildContext, name: str) -> Path:
    """The same, where the data set is one file."""
    return data_files(context, name)[0]


def has_file(context: BuildContext, name: str) -> bool:
    """Whether the data folder is given and has the file in one of the endings."""
    if not context.has(DATA):
        return False
    folder = context.data(DATA)
    return any((folder / f"{name}{ending}").is_file() for ending in ("", *ENDINGS))


def read_records(*paths: Path) -> list[dict]:
    """Every record of the files."""
    return [record for path in paths for record in each_record(path)]


def described(*paths: Path) -> dict:
    """{file: {sha256, bytes}} of what a cell was made from, for its manifest."""
    return {DATA: describe_files(list(paths))}


def chosen(context: BuildContext, records: list[dict], count: int) -> list[dict]:
    """At most `count` of the records, drawn by the cell's own generator; the first k do not depend on `count`."""
    order = list(range(len(records)))
    context.generator("choice").shuffle(order)
    return [records[index] for index in order[:count]]
