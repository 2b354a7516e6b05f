"""Where megatron-core's releases differ: 0.16 is what the lock pins, 0.17 and later need Python 3.12.

Nothing else in this project asks for megatron-core's version.
"""

import inspect
from functools import partial

from megatron.core import dist_checkpointing
from megatron.core.transformer.mlp import MLPSubmodules
from megatron.core.transformer.spec_utils import ModuleSpec


def mlp_submodules(layer: ModuleSpec) -> MLPSubmodules:
    """The parts of a layer's MLP, to be changed in place: a spec's until 0.17, a builder's argument since."""
    mlp = layer.submodules.mlp
    return mlp.keywords["submodules"] if isinstance(mlp, partial) else mlp.submodules


def writer_of_megatron() -> dict[str, str]:
    """What dist_checkpointing.save wants to be told, or later releases ask for a package of NVIDIA's that writes."""
    parameters = inspect.signature(dist_checkpointing.save).parameters
    return {"async_strategy": "mcore"} if "async_strategy" in parameters else {}
