"""A pass in FP8, on GPUs with TransformerEngine; refused in one line anywhere else.

The recipe scales every tensor by its own largest value (current scaling). Delayed scaling would remember earlier rows:
a row's numbers would then depend on where a run was resumed.
`python -m benches.train --gpu` measures how well CDT's mask agrees with the exact one (docs/benchmarks/train-gpu.md).
"""

import contextlib
import importlib
from collections.abc import Iterator

import torch

from contracts.errors import InputError
from megatron_cdt.engine.device import has_gpu
from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.engine.options import Fp8Pass
from megatron_cdt.engine.transformer_engine import DTYPES, uses_transformer_engine


def check_fp8(dtype: torch.dtype, fp8_pass: Fp8Pass) -> None:
    """Raises InputError for an fp32 model, without a GPU or TransformerEngine, or with one without current scaling."""
    if dtype not in DTYPES:
        raise InputError(f"{fp8_pass.key}: fp8 needs dtype bfloat16; set it, or {fp8_pass.cure}")
    if not has_gpu():
        raise InputError(f"{fp8_pass.key}: fp8 needs a GPU; {fp8_pass.cure}")
    if not uses_transformer_engine(dtype):
        raise InputError(f"{fp8_pass.key}: fp8 needs TransformerEngine, which is not installed; {fp8_pass.cure}")
    if not hasattr(importlib.import_module("transformer_engine.common.recipe"), "Float8CurrentScaling"):
        raise InputError(f"{fp8_pass.key}: fp8 needs TransformerEngine 2.2 or newer; install it, or {fp8_pass.cure}")


@contextlib.contextmanager
def fp8_layers(model: LanguageModel, fp8_pass: Fp8Pass) -> Iterator[None]:
    """TransformerEngine's linear layers multiply in FP8 inside; weights have changed and are quantized anew."""
    check_fp8(model.config.params_dtype, fp8_pass)
    engine = importlib.import_module("transformer_engine.pytorch")
    recipe = importlib.import_module("transformer_engine.common.recipe").Float8CurrentScaling()
    # Megatron's layers keep the FP8 copy of their weights until they are told that a new step has begun.
    model.set_is_first_microbatch()
    with engine.fp8_autocast(enabled=True, fp8_recipe=recipe):
        yield
