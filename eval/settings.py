"""What is evaluated, and how: the `eval` section of a configuration.

Every task has its own sub-section, and `settings_of_task` gives the part that one task's samples depend on,
so that a change of one task's key reruns that task's cells and no others.
"""

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from contracts.settings import Settings

TaskName = Literal["perplexity", "longppl", "niah_single_1", "vt", "hops"]


class PerplexitySettings(Settings):
    """Loss per token on held-back books."""

    samples: int = Field(16, ge=1, description="rows per length (count); fewer where the books hold fewer")


class LongPPLSettings(Settings):
    """LongPPL: perplexity over the tokens that need the long context."""

    samples: int = Field(16, ge=1, description="rows per length (count); fewer where the books hold fewer")
    evaluator: str = Field(
        "ce", min_length=1, description="model that finds the key tokens: a method of this run, or a model folder"
    )
    window: int = Field(4096, ge=1, description="K: shortest truncated context (tokens); must be below every length")
    stride: int = Field(1024, ge=1, description="d: tokens that share one truncated context (tokens)")
    alpha: float = Field(2.0, description="key if loss(short) - loss(long) is above this (nats); the long-short gain")
    beta: float = Field(-2.0, description="key if log-probability with the long context is above this (nats)")


class NeedleSettings(Settings):
    """RULER niah_single_1: one number hidden in repeated noise."""

    samples: int = Field(20, ge=1, description="prompts per length (count)")
    tokens_to_generate: int = Field(128, ge=1, description="longest answer (tokens); counted in the length")


class VariableTrackingSettings(Settings):
    """RULER vt: a chain of variable assignments hidden in repeated noise."""

    samples: int = Field(20, ge=1, description="prompts per length (count)")
    tokens_to_generate: int = Field(30, ge=1, description="longest answer (tokens); counted in the length")
    links: int = Field(4, ge=1, le=10, description="assignments after the first, so links + 1 variables (count)")
    example_tokens: int = Field(500, ge=50, description="longest worked example at the start of a prompt (tokens)")


class HopsSettings(Settings):
    """Critical-token detection: three supporting facts among interference and irrelevant text."""

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


class EvalSettings(Settings):
    """The `eval` section: one cell for every (model, task, length)."""

    tasks: tuple[TaskName, ...] = Field(
        ("perplexity", "longppl", "niah_single_1", "vt", "hops"), min_length=1, description="tasks to run (names)"
    )
    lengths: tuple[PositiveInt, ...] = Field((32768, 65536), min_length=1, description="sample lengths (tokens)")
    seed: int = Field(42, ge=0, description="seed of all samples (a number; every sample derives its own generator)")
    begin_with_bos: bool = Field(
        False, description="start every row and prompt with the tokenizer's BOS token, counted in the length (yes/no)"
    )
    perplexity: PerplexitySettings = Field(default_factory=PerplexitySettings, description="settings of perplexity")
    longppl: LongPPLSettings = Field(default_factory=LongPPLSettings, description="settings of longppl")
    niah_single_1: NeedleSettings = Field(default_factory=NeedleSettings, description="settings of niah_single_1")
    vt: VariableTrackingSettings = Field(default_factory=VariableTrackingSettings, description="settings of vt")
    hops: HopsSettings = Field(default_factory=HopsSettings, description="settings of hops")

    @model_validator(mode="after")
    def windows_are_shorter_than_rows(self) -> "EvalSettings":
        """A LongPPL window that is as long as a row leaves no token to compare."""
        if "longppl" in self.tasks and self.longppl.window >= min(self.lengths):
            raise ValueError(
                f"longppl.window {self.longppl.window} must be below the shortest length {min(self.lengths)}"
            )
        return self


def settings_of_task(settings: EvalSettings, task: TaskName) -> dict:
    """The part of the settings that the samples of `task` depend on, as `build --settings` takes it."""
    everything = settings.model_dump(mode="json")
    return {key: everything[key] for key in ("seed", "begin_with_bos", task)}
