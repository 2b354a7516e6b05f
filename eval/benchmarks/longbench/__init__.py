"""LongBench-E: real documents, dialogues and code. This file: what of it is asked."""

from typing import Literal

from pydantic import Field, PositiveInt

from contracts.settings import Settings
from eval.benchmarks.longbench.tasks import TASKS, TaskName
from eval.benchmarks.settings import BenchmarkSettings

CodeSimilarity = Literal["levenshtein", "difflib"]


class LongBenchScoring(Settings):
    """How answers are scored; the samples do not depend on it."""

    code_similarity: CodeSimilarity = Field(
        "levenshtein",
        description="similarity of lcc and repobench-p: fuzzywuzzy's with python-Levenshtein installed "
        "(`levenshtein`), or without it (`difflib`)",
    )


class LongBenchSettings(BenchmarkSettings):
    """LongBench-E: the paper's 12 sets in 5 categories, and two synthetic ones."""

    tasks: tuple[TaskName, ...] = Field(TASKS, min_length=1, description="sets to run (names, without `_e`)")
    lengths: tuple[PositiveInt, ...] | None = Field(
        (32768,),
        min_length=1,
        description="longest samples (tokens); longer prompts lose their middle; null: eval.lengths",
    )
    samples: int | None = Field(
        None, ge=1, description="records per set (count); null: all; fewer where the file holds fewer"
    )
    limit: Literal["cell", "prompt"] = Field(
        "cell",
        description="what the length bounds: `cell`: prompt, chat template and answer together; `prompt`: the prompt "
        "alone, as in the published script",
    )
    clean_up_spaces: bool = Field(
        False,
        description="take the spaces before punctuation out of the two ends of a prompt that is cut, as transformers "
        "did in the published script for tokenizers with clean_up_tokenization_spaces, such as Llama 3's (yes/no)",
    )
    scoring: LongBenchScoring = Field(default_factory=LongBenchScoring, description="how answers are scored")
