"""Qasper: questions about whole scientific papers. This file: what of it is asked."""

from typing import Literal

from pydantic import Field, PositiveInt

from eval.benchmarks.settings import BenchmarkSettings


class QasperSettings(BenchmarkSettings):
    """Qasper: questions about whole scientific papers."""

    tasks: tuple[Literal["qasper"], ...] = Field(("qasper",), min_length=1, description="tasks to run (names)")
    lengths: tuple[PositiveInt, ...] | None = Field(
        (16384,),
        min_length=1,
        description="longest samples (tokens); longer papers lose their middle; null: eval.lengths",
    )
    samples: int | None = Field(
        None, ge=1, description="questions (count); null: all; fewer where the file holds fewer"
    )
    tokens_to_generate: int = Field(128, ge=1, description="longest answer (tokens); counted in the length")
    stop_at_line_end: bool = Field(True, description="end the answer at its first line break (yes/no)")
