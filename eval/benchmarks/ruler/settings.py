"""Settings of RULER."""

from typing import Literal

from pydantic import Field

from contracts.settings import Settings
from eval.benchmark_settings import BenchmarkSettings

RulerTask = Literal["niah_single_1", "vt"]


class NeedleSettings(Settings):
    """RULER niah_single_1: one number hidden in repeated noise."""

    tokens_to_generate: int = Field(128, ge=1, description="longest answer (tokens); counted in the length")


class VariableTrackingSettings(Settings):
    """RULER vt: a chain of variable assignments hidden in repeated noise."""

    tokens_to_generate: int = Field(30, ge=1, description="longest answer (tokens); counted in the length")
    links: int = Field(4, ge=1, le=10, description="assignments after the first, so links + 1 variables (count)")
    example_tokens: int = Field(500, ge=50, description="longest worked example at the start of a prompt (tokens)")


class RulerSettings(BenchmarkSettings):
    """RULER: synthetic retrieval, tracing, counting and questions."""

    tasks: tuple[RulerTask, ...] = Field(("niah_single_1", "vt"), min_length=1, description="tasks to run (names)")
    samples: int = Field(50, ge=1, description="prompts per task and length (count)")
    niah_single_1: NeedleSettings = Field(default_factory=NeedleSettings, description="settings of niah_single_1")
    vt: VariableTrackingSettings = Field(default_factory=VariableTrackingSettings, description="settings of vt")
