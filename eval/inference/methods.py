"""Which modules answer a cell, by the method of inference and the backend.

Named, not imported, so that an edit of one method leaves the answers of the others alone; Snakemake reads this too.
"""

INFERENCES = ("dense", "rag", "flexprefill", "xattention")
SPARSE = {"flexprefill": "eval.inference.flexprefill", "xattention": "eval.inference.xattention"}
PROMPT_CHANGING = {"rag": "eval.inference.rag"}
BACKENDS = {"transformers": "eval.backends.transformers_backend", "vllm": "eval.backends.vllm_backend"}


def answering_modules(inference: str, backend: str) -> tuple[str, ...]:
    """The modules behind the answers of a method on a backend, besides the command's own."""
    chosen = (SPARSE.get(inference), PROMPT_CHANGING.get(inference), BACKENDS[backend])
    return tuple(module for module in chosen if module)


def answer_settings(settings: dict, inference: str) -> dict:
    """The part of an `eval` section that the answers of a method depend on, as `generate --settings` takes it."""
    own = {inference: settings["inference"][inference]} if inference in settings["inference"] else {}
    return {"inference": {"methods": [inference], **own}, "generation": settings["generation"]}
