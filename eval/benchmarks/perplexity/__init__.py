"""Perplexity: loss per token on texts that the model has never seen. This file: what is measured."""

from typing import Literal

from pydantic import Field

from eval.benchmarks.settings import BenchmarkSettings, GovReportSettings


class PerplexitySettings(BenchmarkSettings):
    """Loss per token on held-back books."""

    tasks: tuple[Literal["books", "govreport"], ...] = Field(
        ("books", "govreport"),
        min_length=1,
        description="texts to measure (names); govreport needs eval.data.govreport",
    )
    samples: int = Field(16, ge=1, description="rows of books per length (count); fewer where the books hold fewer")
    govreport: GovReportSettings = Field(default_factory=GovReportSettings, description="which reports are measured")
