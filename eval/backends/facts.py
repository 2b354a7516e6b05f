"""What the answers of a backend depend on besides model, samples and method, told without starting it.

invariant: torch is imported only where a GPU may be there, so that a finished cell is recognised in half a second.
"""

from importlib import metadata

from contracts.errors import InputError
from eval.backends.settings import GenerationSettings

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
    from eval.models import choose_device

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
