"""The tasks: who builds their samples, who scores them, and what a model must produce for them.

The modules are named, not imported, so that an edit of one task leaves the code hash of the others alone.
"""

from dataclasses import dataclass
from typing import Literal

from contracts.errors import InputError


@dataclass(frozen=True)
class Task:
    """One task: `answer` is what a prediction holds (losses and text come from `generate`, norms from detect)."""

    build_module: str
    score_module: str
    answer: Literal["losses", "text", "norms"]


TASKS = {
    "perplexity": Task("eval.tasks.perplexity", "eval.scoring.perplexity", "losses"),
    "longppl": Task("eval.tasks.longppl", "eval.scoring.longppl", "losses"),
    "niah_single_1": Task("eval.tasks.niah_single_1", "eval.scoring.string_match", "text"),
    "vt": Task("eval.tasks.vt", "eval.scoring.string_match", "text"),
    "hops": Task("eval.tasks.hops", "eval.scoring.hops", "norms"),
}


def known_task(name: str) -> Task:
    """The task called `name`, or one line that lists the names."""
    if name not in TASKS:
        raise InputError(f"task '{name}' is unknown; choose one of {', '.join(TASKS)}")
    return TASKS[name]
