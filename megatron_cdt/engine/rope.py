"""Rotary positions: frequencies (base, linear stretch, Llama-3.1's stretch, YaRN), and the turning of queries and keys.

Megatron-core hard-codes Llama-3.1's constants and applies YaRN's attention factor only where its configuration has
the right attributes, silently not elsewhere; these functions take both from the architecture, so that a model's
config.json alone decides. Sources: the Llama 3.1 release; YaRN (arXiv 2309.00071, section 3). Same as transformers'.

# T local tokens of this rank, A heads, D head size
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from megatron_cdt.architecture import Architecture, RopeScaling
from megatron_cdt.engine.zigzag import local_positions


def rotary_inverse_frequencies(architecture: Architecture) -> Tensor:
    """theta^(-2i/D) for i < D/2, stretched as the architecture says: fp32 [D/2], in radians per token."""
    exponent = torch.arange(0, architecture.head_dim, 2, dtype=torch.float32) / architecture.head_dim
    frequencies = 1.0 / (architecture.rope_theta**exponent)
    scaling = architecture.rope_scaling
    if scaling is None:
        return frequencies
    if scaling.rope_type == "linear":
        return frequencies / scaling.factor
    if scaling.rope_type == "yarn":
        return yarn_frequencies(frequencies, scaling, architecture.rope_theta)
    return llama3_frequencies(frequencies, scaling)


def llama3_frequencies(frequencies: Tensor, scaling: RopeScaling) -> Tensor:
    """Long wavelengths are divided by the factor, short ones kept, those between blended smoothly."""
    wavelength = 2 * math.pi / frequencies
    turns = scaling.original_max_position_embeddings / wavelength
    blend = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    blended = (1 - blend) * frequencies / scaling.factor + blend * frequencies
    stretched = torch.where(turns < scaling.low_freq_factor, frequencies / scaling.factor, blended)
    return torch.where(turns > scaling.high_freq_factor, frequencies, stretched)


def yarn_frequencies(frequencies: Tensor, scaling: RopeScaling, theta: float) -> Tensor:
    """Kept up to the pair of features that turns beta_fast times, divided by the factor from beta_slow turns on."""
    half = len(frequencies)
    first, last = (
        2 * half * math.log(scaling.original_max_position_embeddings / (turns * 2 * math.pi)) / (2 * math.log(theta))
        for turns in (scaling.beta_fast, scaling.beta_slow)
    )
    if scaling.truncate:
        first, last = math.floor(first), math.ceil(last)
    # Pairs number 0 to D/2 - 1, yet the published code clamps to D - 1: weights were trained with that ramp.
    first, last = max(first, 0), min(last, 2 * half - 1)
    width = last - first or 0.001
    stretched = ((torch.arange(half, dtype=torch.float32) - first) / width).clamp(0, 1)
    return frequencies / scaling.factor * stretched + frequencies * (1 - stretched)


def attention_factor(architecture: Architecture) -> float:
    """YaRN's m, which multiplies the rotated queries and keys (so attention scores by m^2); 1 without YaRN."""
    scaling = architecture.rope_scaling
    if scaling is None or scaling.rope_type != "yarn":
        return 1.0
    if scaling.attention_factor is not None:
        return scaling.attention_factor
    return 0.1 * math.log(scaling.factor) + 1 if scaling.factor > 1 else 1.0


def rotation_of_row(
    segment_lengths: Sequence[int], frequencies: Tensor, cp_size: int, cp_rank: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every local token's angles, [T, 1, D/2] each; positions restart at every segment."""
    positions_T = local_positions(segment_lengths, cp_size, cp_rank).to(frequencies.device)
    angles = torch.outer(positions_T.float(), frequencies).unsqueeze(1)
    return angles.cos().to(dtype), angles.sin().to(dtype)


class Rotate(torch.autograd.Function):
    """Turn every pair (i, i + D/2) of features [T, A, D] by its token's angle; keeps the angles alone.

    Megatron's eager formula passes over the heads six times each way, and computes the angles anew in every layer.
    """

    @staticmethod
    def forward(ctx, heads_TAD: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        ctx.save_for_backward(cosine, sine)
        return turned(heads_TAD, cosine, sine, 1)

    @staticmethod
    def backward(ctx, grad_TAD: Tensor):
        return turned(grad_TAD, *ctx.saved_tensors, -1), None, None


def turned(heads_TAD: Tensor, cosine: Tensor, sine: Tensor, sign: int) -> Tensor:
    """The heads turned forward (sign 1) or back (-1), as a new tensor."""
    output_TAD = heads_TAD.new_empty(heads_TAD.shape)
    (first, second), (first_out, second_out) = heads_TAD.chunk(2, dim=-1), output_TAD.chunk(2, dim=-1)
    torch.mul(first, cosine, out=first_out).addcmul_(second, sine, value=-sign)
    torch.mul(second, cosine, out=second_out).addcmul_(first, sine, value=sign)
    return output_TAD
