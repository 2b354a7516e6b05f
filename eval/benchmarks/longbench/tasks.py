"""The sets of LongBench-E as the paper uses them: 12 in 5 categories, and the two synthetic ones.

invariant: names carry no `_e`; `plain_name` takes it off. musique has no `_e` edition and is scored plainly.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from contracts.errors import InputError

CATEGORIES = {
    "single_document": ("qasper", "multifieldqa_en"),
    "multi_document": ("hotpotqa", "2wikimqa", "musique"),
    "summarization": ("gov_report", "multi_news"),
    "few_shot": ("trec", "triviaqa", "samsum"),
    "code": ("lcc", "repobench-p"),
}
SYNTHETIC = ("passage_count", "passage_retrieval_en")
TASKS = (*(task for tasks in CATEGORIES.values() for task in tasks), *SYNTHETIC)
TaskName = Literal[*TASKS]

METRIC_OF_TASK = {
    "gov_report": "rouge_l",
    "multi_news": "rouge_l",
    "samsum": "rouge_l",
    "trec": "classification",
    "passage_count": "count",
    "passage_retrieval_en": "retrieval",
    "lcc": "code_similarity",
    "repobench-p": "code_similarity",
}
FIRST_LINE_ONLY = ("trec", "triviaqa", "samsum")
WITHOUT_CHAT_TEMPLATE = ("trec", "triviaqa", "samsum", "lcc", "repobench-p")
WITHOUT_E_EDITION = ("musique",)


@dataclass(frozen=True)
class LongBenchTask:
    """How one set is asked and scored; `tokens_to_generate` in tokens."""

    name: str
    prompt: str
    tokens_to_generate: int
    metric: str
    first_line_only: bool
    chat: bool

    @property
    def record_file(self) -> str:
        """Name of the published file without its ending: qasper_e, musique."""
        return self.name if self.name in WITHOUT_E_EDITION else f"{self.name}_e"


@cache
def published(name: str) -> dict:
    """The content of a published JSON file of this folder."""
    return json.loads(files(__package__).joinpath(name).read_text(encoding="utf-8"))


def plain_name(task: str) -> str:
    """`task` without the ending `_e`; InputError where there is no such set."""
    name = task.removesuffix("_e")
    if name not in TASKS:
        raise InputError(f"LongBench task '{task}' is unknown; choose one of {', '.join(TASKS)}")
    return name


def task_called(task: str) -> LongBenchTask:
    """The set called `task`, with or without `_e`."""
    name = plain_name(task)
    return LongBenchTask(
        name=name,
        prompt=published("dataset2prompt.json")[name],
        tokens_to_generate=published("dataset2maxlen.json")[name],
        metric=METRIC_OF_TASK.get(name, "f1"),
        first_line_only=name in FIRST_LINE_ONLY,
        chat=name not in WITHOUT_CHAT_TEMPLATE,
    )
