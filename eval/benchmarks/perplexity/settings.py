"""Settings of perplexity."""

from typing import Literal

from pydantic import Field

from eval.benchmark_settings import BenchmarkSettings


class PerplexitySettings(BenchmarkSettings):
    """Loss per token on held-back books."""

    tasks: tuple[Literal["books"], ...] = Field(("books",), min_length=1, description="tasks to run (names)")
    samples: int = Field(16, ge=1, description="rows per length (count); fewer where the books hold fewer")
