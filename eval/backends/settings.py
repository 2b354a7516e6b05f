"""Settings of what computes the answers: the `eval.generation` section.

No torch here: the workflow and the settings classes read this file.
"""

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from contracts.settings import Settings


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
        16, description="cells of a benchmark that share one loaded model (count); 1: each loads its own"
    )
    ahead_minutes: NonNegativeFloat = Field(
        20, description="time after which a job takes up no further cell of its part (minutes)"
    )
