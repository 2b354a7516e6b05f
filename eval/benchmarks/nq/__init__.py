"""Natural Questions: one passage answers, among passages that do not. This file: what of it is asked."""

from typing import Literal

from pydantic import Field

from eval.benchmarks.settings import BenchmarkSettings


class NQSettings(BenchmarkSettings):
    """Natural Questions: one passage holds the answer, among passages that do not."""

    tasks: tuple[Literal["nq"], ...] = Field(("nq",), min_length=1, description="tasks to run (names)")
    samples: int | None = Field(500, ge=1, description="questions (count); null: all; fewer where the file holds fewer")
    distractors: int | None = Field(
        None, ge=0, description="passages without the answer in a prompt (count); null: as many as the length holds"
    )
    gold_depth: float | None = Field(
        None,
        ge=0,
        le=1,
        description="place of the passage with the answer (0 first, 1 last); null: a place of each question",
    )
    tokens_to_generate: int = Field(100, ge=1, description="longest answer (tokens); counted in the length")
