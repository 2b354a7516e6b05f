"""Settings of the multi-hop probe."""

from typing import Literal

from pydantic import Field, model_validator

from eval.benchmark_settings import BenchmarkSettings


class HopsSettings(BenchmarkSettings):
    """Critical-token detection: supporting facts among interference and irrelevant text."""

    tasks: tuple[Literal["3hop"], ...] = Field(("3hop",), min_length=1, description="tasks to run (names)")
    samples: int = Field(20, ge=1, description="rows per length (count)")
    slots: int = Field(10, ge=4, description="equal parts of the text among which the facts are placed (count)")
    interference_min: int = Field(3, ge=1, description="fewest interference facts, the trailing one included (count)")
    interference_max: int = Field(6, ge=1, description="most interference facts, the trailing one included (count)")
    sentence_tokens_min: int = Field(10, ge=1, description="shortest sentence of irrelevant text that is used (tokens)")
    sentence_tokens_max: int = Field(80, ge=1, description="longest sentence of irrelevant text that is used (tokens)")

    @model_validator(mode="after")
    def ranges_are_in_order(self) -> "HopsSettings":
        """The least of a range must not exceed its most."""
        if self.interference_min > self.interference_max:
            raise ValueError("interference_min is above interference_max; swap them")
        if self.sentence_tokens_min > self.sentence_tokens_max:
            raise ValueError("sentence_tokens_min is above sentence_tokens_max; swap them")
        return self
