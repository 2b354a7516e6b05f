"""LongPPL: perplexity over the tokens that need the long context. This file: what is measured."""

from typing import Literal

from pydantic import Field

from eval.benchmarks.settings import BenchmarkSettings, GovReportSettings


class LongPPLSettings(BenchmarkSettings):
    """LongPPL: perplexity over the tokens that need the long context."""

    tasks: tuple[Literal["books", "govreport"], ...] = Field(
        ("books", "govreport"),
        min_length=1,
        description="texts to measure (names); govreport needs eval.data.govreport",
    )
    samples: int = Field(16, ge=1, description="rows of books per length (count); fewer where the books hold fewer")
    evaluator: str = Field(
        "ce", min_length=1, description="model that finds the key tokens: a method of this run, or a model folder"
    )
    window: int = Field(4096, ge=1, description="K: shortest truncated context (tokens); must be below every length")
    stride: int = Field(1024, ge=1, description="d: tokens that share one truncated context (tokens)")
    alpha: float = Field(2.0, description="key if loss(short) - loss(long) is above this (nats); the long-short gain")
    beta: float = Field(-2.0, description="key if log-probability with the long context is above this (nats)")
    govreport: GovReportSettings = Field(default_factory=GovReportSettings, description="which reports are measured")
