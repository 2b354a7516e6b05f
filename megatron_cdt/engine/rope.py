"""Rotary frequencies: base, linear stretch, Llama-3.1's stretch, YaRN.

Megatron-core hard-codes Llama-3.1's constants and applies YaRN's attention factor only where its configuration has
the right attributes, silently not elsewhere; these functions take both from the architecture, so that a model's
config.json alone decides. Sources: the Llama 3.1 release; YaRN (arXiv 2309.00071, section 3). Same as transformers'.

# D head size
"""

import math

import torch
from torch import Tensor

from megatron_cdt.architecture import Architecture, RopeScaling


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
    # Pairs number 0 to D/2 - 1, yet the published code clamps to D - 1: weights were trained with that ramp.
    first, last = max(math.floor(first), 0), min(math.ceil(last), 2 * half - 1)
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
