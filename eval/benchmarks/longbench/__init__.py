"""LongBench-E: real documents, dialogues and code. This file: what of it is asked."""

from typing import Literal

from pydantic import Field, PositiveInt

from eval.benchmarks.longbench.tasks import TASKS, TaskName
from eval.benchmarks.settings import BenchmarkSettings


class LongBenchSettings(BenchmarkSettings):
    """LongBench-E: the paper's 12 sets in 5 categories, and two synthetic ones."""

    tasks: tuple[TaskName, ...] = Field(TASKS, min_length=1, description="sets to run (names, without `_e`)")
    lengths: tuple[PositiveInt, ...] | None = Field(
        (32768,),
        min_length=1,
        description="longest samples (tokens); longer prompts lose their middle; null: eval.lengths",
    )
    samples: int | None = Field(
        None, ge=1, description="records per set (count); null: all; fewer where the file holds fewer"
    )
    limit: Literal["cell", "prompt"] = Field(
        "cell",
        description="what the length bounds: `cell`: prompt, chat template and answer together; `prompt`: the prompt "
        "alone, as in the published script",
    )
