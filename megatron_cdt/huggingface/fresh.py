"""Fresh weights from a seed: the same numbers for every parallel layout and on every device.

in : an architecture and a seed                 out: a model filled with Megatron's initial distribution
Invariant: a tensor depends on the seed, its Hugging Face name and its shape alone; each is drawn whole on the CPU
in fp32 and then cut.
"""

import hashlib
import math
from collections.abc import Mapping

import torch
from megatron.core.process_groups_config import ProcessGroupCollection
from torch import Tensor

from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.huggingface.names import adapter_shapes, tensor_shapes
from megatron_cdt.huggingface.weights import fill, fill_adapters

# The projections that add to the residual stream: two in each layer.
RESIDUAL_PROJECTIONS = ("self_attn.o_proj.weight", "mlp.down_proj.weight")


class FreshWeights:
    """A TensorSource: normal(0, initializer_range), residual projections / sqrt(2 * layers), norms 1, biases 0."""

    def __init__(self, architecture: Architecture, seed: int) -> None:
        self.shapes = tensor_shapes(architecture)
        self.std = architecture.initializer_range
        self.residual_std = self.std / math.sqrt(2 * architecture.num_layers)
        self.seed = seed

    def read(self, name: str, axis: int | None = None, rank: int = 0, size: int = 1) -> Tensor:
        """Part `rank` of `size` equal parts of a tensor along `axis`, fp32 on the CPU."""
        if name.endswith("norm.weight"):
            return torch.ones(self.shapes[name])
        if name.endswith(".bias"):
            return part_of(torch.zeros(self.shapes[name]), axis, rank, size)
        std = self.residual_std if name.endswith(RESIDUAL_PROJECTIONS) else self.std
        whole = torch.empty(self.shapes[name]).normal_(0.0, std, generator=generator_of(self.seed, name))
        return part_of(whole, axis, rank, size)


def part_of(whole: Tensor, axis: int | None, rank: int, size: int) -> Tensor:
    """Part `rank` of `size` equal parts along `axis`; the whole where axis is None."""
    return whole if axis is None else whole.chunk(size, dim=axis)[rank]


def generator_of(seed: int, name: str) -> torch.Generator:
    """A generator of its own for each tensor, so that no order of drawing matters."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    # 63 bits: torch takes seeds up to 2**64, but reads the upper half as negative numbers.
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def initialize_weights(
    model: LanguageModel, architecture: Architecture, seed: int, groups: ProcessGroupCollection
) -> None:
    """Fill the model with fresh weights."""
    fill(model, FreshWeights(architecture, seed), groups)


class FreshAdapters:
    """A TensorSource: A uniform within 1 / sqrt(inputs), which is PEFT's kaiming_uniform(a=sqrt(5)); B zero."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]], seed: int) -> None:
        self.shapes, self.seed = shapes, seed

    def read(self, name: str, axis: int | None = None, rank: int = 0, size: int = 1) -> Tensor:
        """Part `rank` of `size` equal parts of a tensor along `axis`, fp32 on the CPU."""
        whole = torch.zeros(self.shapes[name])
        if ".lora_A." in name:
            torch.nn.init.kaiming_uniform_(whole, a=math.sqrt(5), generator=generator_of(self.seed, name))
        return part_of(whole, axis, rank, size)


def initialize_adapters(
    model: LanguageModel, architecture: Architecture, seed: int, groups: ProcessGroupCollection
) -> None:
    """Fill the model's adapters with fresh values: it computes what it computed without them."""
    fill_adapters(model, FreshAdapters(adapter_shapes(architecture, model.lora), seed), groups)
