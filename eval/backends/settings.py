"""Settings of what computes the answers: the `eval.generation` section.

No torch here: the workflow and the settings classes read this file.
"""

from importlib import metadata
from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from contracts.errors import InputError
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


# vLLM's; its greedy answers do not draw, but the engine wants one.
SEED = 0


def backend_facts(settings: GenerationSettings, device: str) -> dict:
    """Device, precision, versions; InputError where the backend is not installed."""
    if settings.backend == "vllm":
        return {
            "backend": "vllm",
            "device": "cuda" if device == "auto" else device,
            "dtype": settings.dtype,
            "seed": SEED,
            "versions": versions("torch", "vllm"),
        }
    # In bfloat16 the number of rows of a step decides how sums are rounded (see eval.backends.decoding).
    rows = {} if settings.dtype == "float32" else {"batch_rows": settings.batch_rows}
    return {
        "backend": "transformers",
        "device": device_type(device),
        "dtype": settings.dtype,
        **rows,
        "versions": versions("torch", "transformers"),
    }


def device_type(device: str) -> str:
    """`auto` as cpu or cuda."""
    if device != "auto":
        return device
    if metadata.version("torch").endswith("+cpu"):
        return "cpu"
    from eval.backends.models import choose_device

    return choose_device(device).type


def versions(*packages: str) -> dict[str, str]:
    """{package: version}; InputError names one that is not installed."""
    try:
        return {name: metadata.version(name) for name in packages}
    except metadata.PackageNotFoundError as error:
        raise InputError(
            f"generation.backend: {error.name} is not installed here; install it beside this environment, or set "
            "generation.backend to transformers"
        ) from None
