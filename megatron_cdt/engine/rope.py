"""Rotary frequencies: base, linear stretch, Llama-3.1's stretch.

Megatron-core hard-codes Llama-3.1's constants; these functions take them from the architecture, so that a
model's config.json alone decides. Source of the llama3 rule: the Llama 3.1 release; same as transformers'.
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
    return llama3_frequencies(frequencies, scaling)


def llama3_frequencies(frequencies: Tensor, scaling: RopeScaling) -> Tensor:
    """Long wavelengths are divided by the factor, short ones kept, those between blended smoothly."""
    wavelength = 2 * math.pi / frequencies
    turns = scaling.original_max_position_embeddings / wavelength
    blend = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    blended = (1 - blend) * frequencies / scaling.factor + blend * frequencies
    stretched = torch.where(turns < scaling.low_freq_factor, frequencies / scaling.factor, blended)
    return torch.where(turns > scaling.high_freq_factor, frequencies, stretched)
