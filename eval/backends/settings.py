"""Settings of what computes the answers: the `eval.generation` section.

No torch here: the workflow and the settings classes read this file.
"""

from typing import Literal

from pydantic import Field, PositiveInt

from contracts.settings import Settings

# They change how fast an answer comes and not what it is; see eval.backends.decoding for why.
BOOKKEEPING = ("batch_rows", "batch_tokens", "cells_per_job", "vllm_memory")


class GenerationSettings(Settings):
    """How the models' answers are computed; always greedy."""

    backend: Literal["transformers", "vllm"] = Field(
        "transformers", description="what runs the models; vllm must be installed beside this environment"
    )
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="precision of weights and activations")
    batch_rows: PositiveInt = Field(
        16, description="prompts answered side by side (count); changes no answer in float32"
    )
    batch_tokens: PositiveInt = Field(
        131072, description="most tokens that the prompts side by side may hold; a longer one is answered alone"
    )
    cross_check: int = Field(
        2, ge=0, description="prompts of each cell that transformers answers too, where vllm is the backend (count)"
    )
    vllm_memory: float = Field(
        0.7,
        gt=0,
        lt=1,
        description="share of the GPU's memory that vllm takes; the check by transformers needs the rest",
    )
    cells_per_job: PositiveInt = Field(
        16, description="cells that one job answers, so that it loads its model once (count)"
    )
