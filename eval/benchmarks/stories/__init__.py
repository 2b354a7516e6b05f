"""Stories: answers to the questions of the multi-hop probe, in its own words. This file: what of it is asked."""

from typing import Literal

from pydantic import Field, PositiveInt

from eval.benchmarks.settings import BenchmarkSettings

StoriesTask = Literal["1hop", "2hop", "3hop", "4hop"]


class StoriesSettings(BenchmarkSettings):
    """Who took which thing and went where, among sentences of books; a question that rests on one to four facts."""

    tasks: tuple[StoriesTask, ...] = Field(
        StoriesTask.__args__, min_length=1, description="tasks to run (names): numbers of facts"
    )
    samples: int = Field(50, ge=1, description="questions per length (count)")
    answer: Literal["chain", "place"] = Field(
        "chain", description="what is asked for: the facts that lead to the place, or the place alone"
    )
    interference: PositiveInt = Field(4, description="facts about other people and other things (count)")
    sentence_tokens_min: int = Field(10, ge=1, description="shortest sentence of irrelevant text that is used (tokens)")
    sentence_tokens_max: int = Field(80, ge=1, description="longest sentence of irrelevant text that is used (tokens)")
    tokens_to_generate: int = Field(64, ge=1, description="longest answer (tokens); counted in the length")
