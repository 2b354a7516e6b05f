"""QuALITY: multiple-choice questions about long stories. This file: what of it is asked."""

from typing import Literal

from pydantic import Field, PositiveInt

from eval.benchmarks.settings import BenchmarkSettings


class QualitySettings(BenchmarkSettings):
    """QuALITY: multiple-choice questions about long stories."""

    tasks: tuple[Literal["quality"], ...] = Field(("quality",), min_length=1, description="tasks to run (names)")
    lengths: tuple[PositiveInt, ...] | None = Field(
        (16384,),
        min_length=1,
        description="longest samples (tokens); longer stories lose their middle; null: eval.lengths",
    )
    samples: int | None = Field(
        None, ge=1, description="questions (count); null: all; fewer where the file holds fewer"
    )
    tokens_to_generate: int = Field(10, ge=1, description="longest answer (tokens); counted in the length")
