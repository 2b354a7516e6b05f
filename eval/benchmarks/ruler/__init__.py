"""RULER (Hsieh et al., 2024): 13 synthetic tasks of any length: needles, tracking, counting and questions.

This file: what of it is asked.
"""

from typing import Literal

from pydantic import Field

from contracts.settings import Settings
from eval.benchmarks.settings import BenchmarkSettings

RulerTask = Literal[
    "niah_single_1",
    "niah_single_2",
    "niah_single_3",
    "niah_multikey_1",
    "niah_multikey_2",
    "niah_multikey_3",
    "niah_multivalue",
    "niah_multiquery",
    "vt",
    "cwe",
    "fwe",
    "qa_1",
    "qa_2",
]
ALL_TASKS: tuple[RulerTask, ...] = RulerTask.__args__


class NeedleSettings(Settings):
    """A needle task: values of keys, hidden in noise, in essays or among other needles."""

    tokens_to_generate: int = Field(128, ge=1, description="longest answer (tokens); counted in the length")


class VariableTrackingSettings(Settings):
    """vt: a chain of variable assignments hidden in repeated noise."""

    tokens_to_generate: int = Field(30, ge=1, description="longest answer (tokens); counted in the length")
    links: int = Field(4, ge=1, le=10, description="assignments after the first, so links + 1 variables (count)")
    example_tokens: int = Field(500, ge=50, description="longest worked example at the start of a prompt (tokens)")


class CommonWordsSettings(Settings):
    """cwe: ten words occur more often than all others in a numbered list."""

    tokens_to_generate: int = Field(120, ge=1, description="longest answer (tokens); counted in the length")


class FrequentWordsSettings(Settings):
    """fwe: coded words, as often as a zeta distribution says; the three most frequent are asked for."""

    tokens_to_generate: int = Field(50, ge=1, description="longest answer (tokens); counted in the length")
    alpha: float = Field(2.0, gt=1.0, description="exponent of the zeta distribution (a number)")


class QuestionSettings(Settings):
    """qa: a question, the paragraphs that answer it, and as many others as fit."""

    tokens_to_generate: int = Field(32, ge=1, description="longest answer (tokens); counted in the length")


class RulerSettings(BenchmarkSettings):
    """RULER: synthetic retrieval, tracing, counting and questions."""

    tasks: tuple[RulerTask, ...] = Field(ALL_TASKS, min_length=1, description="tasks to run (names)")
    samples: int = Field(
        50, ge=1, description="prompts per task and length (count); qa: fewer where its file has fewer"
    )
    essays: Literal["file", "books"] = Field(
        "file",
        description="haystack of the essay tasks: the published essays (eval.data.essays), or the held-back books as a "
        "public-domain stand-in, whose scores are not RULER's",
    )
    niah_single_1: NeedleSettings = Field(default_factory=NeedleSettings, description="one number in noise")
    niah_single_2: NeedleSettings = Field(default_factory=NeedleSettings, description="one number in essays")
    niah_single_3: NeedleSettings = Field(default_factory=NeedleSettings, description="one uuid in essays")
    niah_multikey_1: NeedleSettings = Field(
        default_factory=NeedleSettings, description="four keys in essays, one asked"
    )
    niah_multikey_2: NeedleSettings = Field(default_factory=NeedleSettings, description="one number among needles")
    niah_multikey_3: NeedleSettings = Field(default_factory=NeedleSettings, description="one uuid among needles")
    niah_multivalue: NeedleSettings = Field(default_factory=NeedleSettings, description="four values of one key")
    niah_multiquery: NeedleSettings = Field(default_factory=NeedleSettings, description="four keys, all asked")
    vt: VariableTrackingSettings = Field(default_factory=VariableTrackingSettings, description="variable tracking")
    cwe: CommonWordsSettings = Field(default_factory=CommonWordsSettings, description="common words")
    fwe: FrequentWordsSettings = Field(default_factory=FrequentWordsSettings, description="frequent coded words")
    qa_1: QuestionSettings = Field(default_factory=QuestionSettings, description="questions of SQuAD")
    qa_2: QuestionSettings = Field(default_factory=QuestionSettings, description="questions of HotpotQA")
