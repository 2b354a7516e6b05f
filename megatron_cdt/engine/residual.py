"""The sum of the residual stream and a layer's output, in the stream's own dtype.

Megatron-core's own sum casts the stream to the layer's dtype first: under 16-bit weights an fp32 stream would end at
the first layer, and a small shift of the embeddings with it.
"""

from collections.abc import Callable

from torch import Tensor


def residual_sum(training: bool, fused: bool) -> Callable[[tuple[Tensor, Tensor | None], Tensor, float], Tensor]:
    """What megatron-core calls for the function that adds; neither argument changes anything here."""
    return add_to_residual


def add_to_residual(output_and_bias: tuple[Tensor, Tensor | None], residual: Tensor, dropout: float) -> Tensor:
    """residual + output, in the wider of their dtypes: [T, B, H]."""
    output, bias = output_and_bias
    assert bias is None, "no family of ours has a bias in an output projection"
    assert not dropout, "dropout would break exact resume"
    return residual + output
