"""`deterministic: true`: every knob that repeatable bits need, why, and a refusal of what nobody has proven.

Promise: the same settings, code, versions, device type and layout give the same bytes of metrics and weights.
Fail closed: an environment that contradicts a knob, or a feature without proof, ends in one line before a start.
Call `make_deterministic` before the first CUDA or NCCL call and before the model is built: both read it once.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from contracts.errors import InputError
from megatron_cdt.engine.options import Fp8Pass, Layout


@dataclass(frozen=True)
class Knob:
    """An environment variable: the values that are accepted (the first is set where there is none), and why."""

    name: str
    accepted: tuple[str, ...]
    reason: str


KNOBS = (
    Knob(
        "CUBLAS_WORKSPACE_CONFIG", (":4096:8", ":16:8"), "cuBLAS picks workspaces, and with them orders of sums, freely"
    ),
    Knob("NCCL_ALGO", ("Ring",), "a tree sums in an order that depends on the links of the moment"),
    Knob("NVTE_ALLOW_NONDETERMINISTIC_ALGO", ("0",), "TransformerEngine's fastest attention backward adds atomically"),
)
CURE = "or set deterministic: false and give up equal bytes"


def check_promise(
    environment: Mapping[str, str], layout: Layout, *, on_gpu: bool, fp8_pass: Fp8Pass | None = None
) -> None:
    """Refuse what equal bytes cannot be promised for."""
    if fp8_pass:
        raise InputError(
            f"deterministic: true refuses {fp8_pass.key} fp8 (nobody has shown that it repeats its bits); "
            f"{fp8_pass.cure}, {CURE}"
        )
    for knob in KNOBS if on_gpu else ():
        given = environment.get(knob.name, knob.accepted[0])
        if given not in knob.accepted:
            raise InputError(
                f"deterministic: true refuses {knob.name}={given} ({knob.reason}); set it to "
                f"{' or '.join(knob.accepted)}, {CURE}"
            )
    if on_gpu and layout.context > 1:
        raise InputError(
            f"deterministic: true refuses context {layout.context} on GPUs (nobody has shown that TransformerEngine's "
            f"context-parallel attention repeats its bits); set context to 1, {CURE}"
        )


def make_deterministic(layout: Layout, *, on_gpu: bool, fp8_pass: Fp8Pass | None = None) -> None:
    """Set every knob of this process."""
    check_promise(os.environ, layout, on_gpu=on_gpu, fp8_pass=fp8_pass)
    for knob in KNOBS:
        os.environ.setdefault(knob.name, knob.accepted[0])
    # An operator without a deterministic implementation raises from now on; never warn_only.
    torch.use_deterministic_algorithms(True)
    # Filling fresh memory would hide reads of it, which are errors anyway, and costs a pass over every tensor.
    torch.utils.deterministic.fill_uninitialized_memory = False
    # cuDNN would time its algorithms and take the winner of the day.
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
