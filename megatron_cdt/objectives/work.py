"""Floating-point operations of a model over tokens: what TFLOP/s, MFU and the cost of a run divide by time.

Real tokens only, no padding; a multiply-add is 2. Attention counts the pairs that the causal mask leaves, L^2 / 2 for
a segment of L tokens. A backward pass is twice its forward; what is computed again to save memory is not work that
the model asked for (Megatron's convention for MFU). Norms, rotations and softmax are left out: under 1 %.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from megatron_cdt.architecture import Architecture


@dataclass(frozen=True)
class Work:
    """Operations of a forward pass, by what a backward pass through it costs."""

    linear: float  # matrices of the layers
    attention: float  # scores and their product with the values: no weights
    head: float  # logits, at labelled positions only

    @property
    def training(self) -> float:
        """Forward, and backward for inputs and weights."""
        return 3 * (self.linear + self.attention + self.head)

    @property
    def detection(self) -> float:
        """Forward, and backward for inputs alone: frozen matrices need no other; attention has no weights."""
        return 2 * (self.linear + self.head) + 3 * self.attention

    @property
    def forward(self) -> float:
        """Forward alone."""
        return self.linear + self.attention + self.head


def forward_work(architecture: Architecture, segments: Iterable[int], labels: int) -> Work:
    """One forward pass over segments of so many real tokens, with so many labelled ones."""
    a = architecture
    lengths = list(segments)
    pairs = sum(length**2 for length in lengths) / 2
    heads = 2 * a.num_attention_heads + 2 * a.num_key_value_heads
    matrices = a.num_layers * a.hidden_size * (heads * a.head_dim + 3 * a.ffn_hidden_size)
    return Work(
        linear=2 * matrices * sum(lengths),
        attention=4 * pairs * a.num_attention_heads * a.head_dim * a.num_layers,
        head=2 * a.vocab_size * a.hidden_size * labels,
    )
