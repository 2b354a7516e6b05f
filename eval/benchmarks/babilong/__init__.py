"""BABILong (Kuratov et al., 2024): the facts of a bAbI question among the sentences of books, at any length.

This file: what of it is asked.
"""

from typing import Literal

from pydantic import Field, NonNegativeInt

from eval.benchmarks.settings import BenchmarkSettings

BabilongTask = Literal["qa1", "qa2", "qa3", "qa4", "qa5", "qa6", "qa7", "qa8", "qa9", "qa10"]
ALL_TASKS: tuple[BabilongTask, ...] = BabilongTask.__args__


class BabilongSettings(BenchmarkSettings):
    """BABILong: reasoning over facts that lie far apart in books."""

    tasks: tuple[BabilongTask, ...] = Field(
        ALL_TASKS, min_length=1, description="tasks to run (names); the paper's are qa1, qa2, qa3, qa7 and qa8"
    )
    lengths: tuple[NonNegativeInt, ...] | None = Field(
        None,
        min_length=1,
        description="sample lengths of this benchmark (tokens), 0 for the facts alone; null: those of eval.lengths",
    )
    samples: int = Field(100, ge=1, description="questions per task and length (count); fewer where the file has fewer")
    tokens_to_generate: int = Field(20, ge=1, description="longest answer (tokens); counted in the length")
    sentence_tokens_min: int = Field(10, ge=1, description="shortest sentence of the books that is used (tokens)")
