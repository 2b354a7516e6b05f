"""What of HELMET is evaluated: the `eval.benchmarks.helmet` section."""

from typing import Literal

from pydantic import Field

from eval.benchmarks.helmet.tasks import TASKS
from eval.benchmarks.settings import BenchmarkSettings

TaskName = Literal[*TASKS]


class HelmetSettings(BenchmarkSettings):
    """HELMET: 21 tasks in 7 categories."""

    tasks: tuple[TaskName, ...] = Field(tuple(TASKS), min_length=1, description="HELMET tasks to run (names)")
    samples: int = Field(100, ge=1, description="prompts per task and length, but for the label tasks (count)")
    label_samples: int = Field(500, ge=1, description="prompts per label task (ICL) and length (count)")
    shots: int = Field(
        2, ge=0, description="worked examples in a prompt (count); RULER's tasks have none, label tasks their own"
    )
    label_shots: int | None = Field(
        None, ge=1, description="labelled examples in a prompt of a label task (count); null: HELMET's for the length"
    )
    popularity: float = Field(
        3.0, description="popqa keeps the questions whose subject has fewer than 10 to this many page views (log10)"
    )
    book_tokens: int = Field(
        131072, ge=1, description="narrativeqa takes stories of at least this many reference tokens (tokens)"
    )
    document_tokens: int = Field(
        65536, ge=1, description="infbench and multi_lexsum take texts of at least this many reference tokens (tokens)"
    )
