"""The multi-hop probe: which tokens does a model's answer rest on? This file: what of it is asked."""

from typing import Literal

from pydantic import Field, model_validator

from eval.benchmarks.settings import BenchmarkSettings
from eval.cells import outdated_hops

HopsTask = Literal["2hop", "3hop", "4hop"]
ALL_TASKS: tuple[HopsTask, ...] = HopsTask.__args__


class HopsSettings(BenchmarkSettings):
    """Critical-token detection: supporting facts among interference, emojis and irrelevant text."""

    tasks: tuple[HopsTask, ...] = Field(
        ALL_TASKS,
        min_length=1,
        description="tasks to run (names): numbers of hops; eval.detection.methods says what detects the tokens",
    )
    samples: int = Field(20, ge=1, description="rows per length (count)")
    stories: Literal["published", "babi", "own"] | None = Field(
        None,
        description="where the facts come from: the rows of the preliminary study (eval.data.needles; 3 and 4 hops), "
        "bAbI qa3 (eval.data.babi), or this project's own words; null: the first of them that is given",
    )
    answer: Literal["place", "chain"] = Field(
        "place",
        description="what the answer is: the place alone, or the facts that lead to it, as `stories` asks by "
        "default; the published rows have the place alone",
    )
    slots: int = Field(10, ge=5, description="equal parts of the text among which the facts are placed (count)")
    interference_min: float = Field(
        1.0, gt=0, description="fewest interference facts per supporting fact, the trailing one included (a number)"
    )
    interference_max: float = Field(
        2.0, gt=0, description="most interference facts per supporting fact, the trailing one included (a number)"
    )
    emojis: int = Field(10, ge=0, le=24, description="emojis in a text, its rare tokens (count)")
    sentence_tokens_min: int = Field(10, ge=1, description="shortest sentence of irrelevant text that is used (tokens)")
    sentence_tokens_max: int = Field(80, ge=1, description="longest sentence of irrelevant text that is used (tokens)")
    top: int = Field(30, ge=1, description="tokens of the context with the highest scores that are looked at (count)")

    @model_validator(mode="before")
    @classmethod
    def detectors_are_no_tasks(cls, values: object) -> object:
        """What configurations of before wrote here is answered with what to write instead."""
        if isinstance(values, dict) and (complaint := outdated_hops(values)):
            raise ValueError(complaint)
        return values

    @model_validator(mode="after")
    def published_rows_have_one_answer(self) -> "HopsSettings":
        """The study's rows come with their answers."""
        if self.answer == "chain" and self.stories not in ("own", "babi"):
            raise ValueError('answer "chain" needs stories "own" or "babi"; the published rows answer with the place')
        return self

    @model_validator(mode="after")
    def ranges_are_in_order(self) -> "HopsSettings":
        """The least of a range must not exceed its most."""
        if self.interference_min > self.interference_max:
            raise ValueError("interference_min is above interference_max; swap them")
        if self.sentence_tokens_min > self.sentence_tokens_max:
            raise ValueError("sentence_tokens_min is above sentence_tokens_max; swap them")
        return self
