"""Which modules answer a cell, by the method of inference and the backend.

Named, not imported, so that an edit of one method leaves the answers of the others alone; Snakemake reads this too.
"""

INFERENCES = ("dense", "rag", "flexprefill", "xattention")
SPARSE = {"flexprefill": "eval.inference.flexprefill", "xattention": "eval.inference.xattention"}
PROMPT_CHANGING = {"rag": "eval.inference.rag"}
BACKENDS = {"transformers": "eval.backends.transformers_backend", "vllm": "eval.backends.vllm_backend"}


def inference_modules(inference: str, backend: str) -> tuple[str, ...]:
    """The modules behind the answers of a method on a backend, besides the command's own."""
    chosen = (SPARSE.get(inference), PROMPT_CHANGING.get(inference), BACKENDS[backend])
    return tuple(module for module in chosen if module)
