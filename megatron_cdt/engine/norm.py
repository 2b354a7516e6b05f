"""RMSNorm for megatron-core's local layers: statistics in fp32, output in the weight's dtype.

Megatron-core's torch norm refuses sequence parallelism, and with an fp32 residual stream it would hand
fp32 activations to 16-bit linears. TransformerEngine's norm does both; this is its match without it.
For the backward pass it keeps its input and one number a token, and on a CPU, where the weight learns, the normed input
too. There it passes over them half as often as the eager formula; on a GPU torch has it in one kernel.
"""

import torch
import torch.nn.functional as F
from megatron.core.transformer.transformer_config import TransformerConfig
from torch import Tensor


class NormRows(torch.autograd.Function):
    """x / sqrt(mean(x^2) + eps) * weight over the last dimension, in fp32, then in the weight's dtype."""

    @staticmethod
    def forward(ctx, hidden: Tensor, weight: Tensor, eps: float) -> Tensor:
        wide = hidden.float()
        mean_square = torch.linalg.vector_norm(wide, dim=-1, keepdim=True).square_().div_(wide.shape[-1])
        inverse = mean_square.add_(eps).rsqrt_()
        normed = wide * inverse
        if ctx.needs_input_grad[1]:
            ctx.save_for_backward(hidden, weight, inverse, normed)
            return (normed * weight.float()).to(weight.dtype)
        ctx.save_for_backward(hidden, weight, inverse)
        return normed.mul_(weight.float()).to(weight.dtype)

    @staticmethod
    def backward(ctx, grad: Tensor):
        hidden, weight, inverse, *normed = ctx.saved_tensors
        grad, wide = grad.float(), hidden.float()
        grad_weight = (grad * normed[0]).flatten(end_dim=-2).sum(dim=0).to(weight.dtype) if normed else None
        weighed = grad * weight.float()
        shrink = (weighed * wide).sum(dim=-1, keepdim=True).mul_(inverse**3).div_(wide.shape[-1])
        grad_hidden = weighed.mul_(inverse).addcmul_(wide, shrink, value=-1).to(hidden.dtype)
        return grad_hidden, grad_weight, None


class RmsNorm(torch.nn.Module):
    """NormRows with a weight that Megatron knows how to share."""

    def __init__(self, config: TransformerConfig, hidden_size: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.weight = torch.nn.Parameter(torch.ones(hidden_size, dtype=config.params_dtype))
        # Under sequence parallelism every rank sees other tokens, so finalize_model_grads sums this gradient.
        self.weight.sequence_parallel = config.sequence_parallel

    def forward(self, hidden: Tensor) -> Tensor:
        return rms_norm(hidden, self.weight, self.eps)


def rms_norm(hidden: Tensor, weight: Tensor, eps: float) -> Tensor:
    """hidden / sqrt(mean(hidden^2) + eps) * weight over the last dimension, in the weight's dtype."""
    if not hidden.is_cuda:
        return NormRows.apply(hidden, weight, eps)
    normed = F.rms_norm(hidden, weight.shape, weight.to(hidden.dtype), eps)
    return normed.to(weight.dtype)
