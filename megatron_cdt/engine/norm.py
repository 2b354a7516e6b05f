"""RMSNorm for megatron-core's local layers: statistics in fp32, output in the weight's dtype.

Megatron-core's torch norm refuses sequence parallelism, and with an fp32 residual stream it would hand
fp32 activations to 16-bit linears. TransformerEngine's norm does both; this is its match without it.
"""

import torch
import torch.nn.functional as F
from megatron.core.transformer.transformer_config import TransformerConfig
from torch import Tensor


class RmsNorm(torch.nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight over the last dimension."""

    def __init__(self, config: TransformerConfig, hidden_size: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.weight = torch.nn.Parameter(torch.ones(hidden_size, dtype=config.params_dtype))
        # Under sequence parallelism every rank sees other tokens, so finalize_model_grads sums this gradient.
        self.weight.sequence_parallel = config.sequence_parallel

    def forward(self, hidden: Tensor) -> Tensor:
        normed = F.rms_norm(hidden.float(), self.weight.shape, self.weight.float(), self.eps)
        return normed.to(self.weight.dtype)
