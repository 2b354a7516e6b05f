"""SwiGLU that keeps its input alone for the backward pass: silu(gate) x up, from [gate | up].

Megatron-core's eager MLP keeps three more tensors of the MLP's width (silu(gate), a copy of up, and what a training
linear keeps anyway). Here silu(gate) is computed again: one elementwise pass for two widths of memory a layer.
Invariant: output and gradient are those of the eager formula, bit for bit.

# T tokens, B = 1 row, F the MLP's local width
"""

import torch
import torch.nn.functional as F
from megatron.core.transformer.transformer_config import TransformerConfig
from torch import Tensor

# Of the two passing tensors of a backward pass: 16 MiB each in bf16. For all tokens at once, they would be 7.5 GB of
# the peak at 128K tokens of an 8B model.
ELEMENTS_AT_ONCE = 2**23


class SwiGlu(torch.autograd.Function):
    """[..., 2F] -> silu of the first half times the second half: [..., F]."""

    @staticmethod
    def forward(ctx, gate_up: Tensor) -> Tensor:
        ctx.save_for_backward(gate_up)
        gate, up = gate_up.chunk(2, dim=-1)
        return F.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        (gate_up,) = ctx.saved_tensors
        grad_gate_up = torch.empty_like(gate_up)
        rows = max(1, ELEMENTS_AT_ONCE // grad.shape[-1])
        for parts in zip(*(tensor.split(rows) for tensor in (gate_up, grad, grad_gate_up)), strict=True):
            swiglu_backward(*parts)
        return grad_gate_up


def swiglu_backward(gate_up: Tensor, grad: Tensor, grad_gate_up: Tensor) -> None:
    """Fill grad_gate_up [..., 2F] from grad [..., F]."""
    gate, up = gate_up.chunk(2, dim=-1)
    grad_gate, grad_up = grad_gate_up.chunk(2, dim=-1)
    torch.mul(F.silu(gate), grad, out=grad_up)
    torch.ops.aten.silu_backward(grad * up, gate, grad_input=grad_gate)


class SwiGluActivation(torch.nn.Module):
    """SwiGlu in the place that megatron-core's MLP has for an activation of one's own."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        assert config.activation_func is F.silu, "the gate's activation is SiLU"

    def forward(self, gate_up_TBF: Tensor) -> Tensor:
        """[T, B, 2F] -> [T, B, F]."""
        return SwiGlu.apply(gate_up_TBF)

    def sharded_state_dict(self, prefix: str = "", sharded_offsets: tuple = (), metadata: dict | None = None) -> dict:
        """Nothing to store: megatron-core asks every part of an MLP."""
        return {}
