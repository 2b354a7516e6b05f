"""LoRA (Hu et al., arXiv 2106.09685): W x + alpha / rank x B A x, with W frozen, under every layout of processes.

Megatron's layers fuse query, key and value into one linear, gate and up into another. Every Hugging Face matrix has an
A and a B of its own nevertheless, as PEFT has them; the B of a fused linear are laid out as its outputs are.
An adapter is a module beside its linear and adds to what that returns: megatron-core's layers and TransformerEngine's
are adapted alike.
Tensor parallelism cuts B of a column-parallel linear and A of a row-parallel one, as it cuts W; what ranks exchange
has rank features a token.

# T local tokens (T/tp under sequence parallelism), B = 1 row, I inputs and O outputs of the linear here,
# R = rank x adapted matrices of the linear
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from megatron.core.process_groups_config import ProcessGroupCollection
from megatron.core.tensor_parallel import mappings
from megatron.core.tensor_parallel.layers import set_tensor_model_parallel_attributes
from megatron.core.transformer.utils import make_sharded_tensors_for_checkpoint
from torch import Tensor

from megatron_cdt.engine.device import device
from megatron_cdt.engine.lora import LoraSettings, Target
from megatron_cdt.engine.model import LanguageModel

ROWS, COLUMNS = 0, 1


@dataclass(frozen=True)
class Linear:
    """A linear of Megatron's layer: where it is, its adapter's name beside it, the matrices that it fuses, its cut."""

    parent: str
    name: str
    adapter: str
    matrices: tuple[Target, ...]
    column_parallel: bool


LINEARS = (
    Linear("self_attention", "linear_qkv", "lora_qkv", ("q_proj", "k_proj", "v_proj"), True),
    Linear("self_attention", "linear_proj", "lora_proj", ("o_proj",), False),
    Linear("mlp", "linear_fc1", "lora_fc1", ("gate_proj", "up_proj"), True),
    Linear("mlp", "linear_fc2", "lora_fc2", ("down_proj",), False),
)


class Adapter(torch.nn.Module):
    """The A and B of a linear's adapted matrices.

    block_rows: rows of each of the linear's matrices, adapted or not, in one block of its output; a block is a group of
    heads for query, key and value, and everything else. `blocks` counts those of this process.
    """

    enabled = True

    def __init__(
        self,
        linear: Linear,
        settings: LoraSettings,
        block_rows: Mapping[Target, int],
        blocks: int,
        inputs: int,
        dtype: torch.dtype,
        tp_group: torch.distributed.ProcessGroup,
        sequence_parallel: bool,
    ) -> None:
        super().__init__()
        self.block_rows, self.blocks = block_rows, blocks
        self.rank, self.scale = settings.rank, settings.scale
        self.column_parallel = linear.column_parallel
        self.tp_group, self.sequence_parallel = tp_group, sequence_parallel
        self.targets = [matrix for matrix in linear.matrices if matrix in settings.targets]

        def zeros(rows: int, columns: int) -> torch.nn.Parameter:
            return torch.nn.Parameter(torch.zeros(rows, columns, dtype=dtype, device=device()))

        self.A = torch.nn.ParameterDict({target: zeros(self.rank, inputs) for target in self.targets})
        self.B = torch.nn.ParameterDict(
            {target: zeros(blocks * block_rows[target], self.rank) for target in self.targets}
        )
        cut, whole = (self.B, self.A) if self.column_parallel else (self.A, self.B)
        for parameter in cut.values():
            # The gradient norm counts a cut parameter on every rank, a whole one on the first alone.
            set_tensor_model_parallel_attributes(parameter, True, ROWS if self.column_parallel else COLUMNS, 1)
        for parameter in whole.values():
            # Under sequence parallelism every rank sees other tokens, so finalize_model_grads sums this gradient.
            parameter.sequence_parallel = sequence_parallel

    def add_update(self, _linear: torch.nn.Module, inputs: tuple, output_and_bias: tuple) -> tuple | None:
        """The linear's output [T, B, O] with the update of its input [T, B, I]: a forward hook."""
        if not self.enabled:
            return None
        output_TBO, bias = output_and_bias
        # As matrices: of three dimensions torch chooses a product by whether there is a gradient, and with it the bits.
        inner_TR = torch.mm(inputs[0].flatten(0, 1), torch.cat([self.A[target] for target in self.targets]).T)
        inner_TR = self.over_ranks(inner_TR)
        updated = torch.addmm(output_TBO.flatten(0, 1), inner_TR, self.fused_b().T, alpha=self.scale)
        return updated.view_as(output_TBO), bias

    def over_ranks(self, inner_TR: Tensor) -> Tensor:
        """A x of the tokens that the linear's output here has, from that of the inputs here.

        Column-parallel: each rank's B makes a part of the gradient of A x, so that is summed. Row-parallel: each rank's
        inputs make a part of A x itself.
        """
        if self.column_parallel:
            if self.sequence_parallel:
                return mappings.gather_from_sequence_parallel_region(inner_TR, group=self.tp_group)
            return mappings.copy_to_tensor_model_parallel_region(inner_TR, group=self.tp_group)
        if self.sequence_parallel:
            return mappings.reduce_scatter_to_sequence_parallel_region(inner_TR, group=self.tp_group)
        return mappings.reduce_from_tensor_model_parallel_region(inner_TR, group=self.tp_group)

    def fused_b(self) -> Tensor:
        """The B of all matrices as one: rows in the order of the linear's outputs, each in its own columns; [O, R]."""
        total = self.rank * len(self.targets)
        parts = []
        for matrix, rows in self.block_rows.items():
            if matrix in self.targets:
                before = self.rank * self.targets.index(matrix)
                by_block = self.B[matrix].unflatten(0, (self.blocks, rows))
                parts.append(F.pad(by_block, (before, total - before - self.rank)))
            else:
                parts.append(self.B[self.targets[0]].new_zeros(self.blocks, rows, total))
        return torch.cat(parts, dim=1).flatten(0, 1)

    @torch.no_grad()
    def update_of(self, target: Target) -> Tensor:
        """alpha / rank x B A of one matrix: fp32, its rows and columns of this process."""
        return self.scale * (self.B[target].float() @ self.A[target].float())

    def sharded_state_dict(self, prefix: str = "", sharded_offsets: tuple = (), metadata: dict | None = None) -> dict:
        """A and B as the checkpoint's tensors; what is cut is the whole matrix's part."""
        cut, axis = (self.B, ROWS) if self.column_parallel else (self.A, COLUMNS)
        name = "B" if cut is self.B else "A"
        return make_sharded_tensors_for_checkpoint(
            self.state_dict(prefix="", keep_vars=True),
            prefix,
            {f"{name}.{target}": axis for target in self.targets},
            sharded_offsets,
            tp_group=self.tp_group,
            dp_cp_group=metadata["dp_cp_group"],
        )


def add_adapters(model: LanguageModel, settings: LoraSettings, groups: ProcessGroupCollection) -> None:
    """Give every target of every layer an A and a B of zeros, and freeze what is not trained; DDP comes after it."""
    for layer in model.decoder.layers:
        for linear in LINEARS:
            if not set(linear.matrices) & set(settings.targets):
                continue
            parent = getattr(layer, linear.parent)
            module = getattr(parent, linear.name)
            outputs, inputs = module.weight.shape
            blocks, block_rows = output_blocks(model, linear, outputs)
            adapter = Adapter(
                linear,
                settings,
                block_rows,
                blocks,
                inputs,
                model.config.params_dtype,
                groups.tp,
                model.config.sequence_parallel,
            )
            parent.add_module(linear.adapter, adapter)
            module.register_forward_hook(adapter.add_update)
    model.lora = settings
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_trained(name, settings, tied=model.share_embeddings_and_output_weights))


def output_blocks(model: LanguageModel, linear: Linear, outputs: int) -> tuple[int, dict[Target, int]]:
    """How many blocks the outputs of a linear have here, and the rows of each of its matrices in a block."""
    if linear.name != "linear_qkv":
        return 1, dict.fromkeys(linear.matrices, outputs // len(linear.matrices))
    head, queries = model.config.kv_channels, model.config.num_attention_heads // model.config.num_query_groups
    rows = dict(zip(linear.matrices, (queries * head, head, head), strict=True))
    return outputs // sum(rows.values()), rows


def is_adapter(name: str) -> bool:
    """Whether a parameter of a model is an A or a B."""
    return ".lora_" in name


def is_trained(name: str, settings: LoraSettings, *, tied: bool) -> bool:
    """Whether LoRA trains a parameter of this name; a stage's copy of a tied embedding is the embedding."""
    if name == "embedding.word_embeddings.weight" or (tied and name == "output_layer.weight"):
        return settings.train_embeddings
    return is_adapter(name) or (settings.train_norms and name.endswith("norm.weight"))


def adapters_of(model: torch.nn.Module) -> Iterator[tuple[str, Adapter]]:
    """Every adapter of a model, with the module's name."""
    return ((name, module) for name, module in model.named_modules() if isinstance(module, Adapter))


@contextlib.contextmanager
def without_adapters(model: torch.nn.Module) -> Iterator[None]:
    """The model computes without updates inside: the base's matrices (norms and embeddings stay what they are)."""
    adapters = [adapter for _, adapter in adapters_of(model)]
    for adapter in adapters:
        adapter.enabled = False
    try:
        yield
    finally:
        for adapter in adapters:
            adapter.enabled = True
