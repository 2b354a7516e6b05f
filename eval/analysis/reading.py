"""What an instrument says of one row, beyond a number a token.

A module that knows more than scores has readings(model, options) -> a function that gives the Reading of a row; its
`opened` gives the scores of it. Shapes: N tokens, L layers, H heads.
"""

from dataclasses import dataclass, field

import torch


@dataclass(frozen=True)
class Reading:
    """`scores` float64 [N]; `heads` [L, H, N], whose mean over layers and heads they are, or None; further `facts`.

    `first_layer`: the model's layer that is the first of L.
    """

    scores: torch.Tensor
    heads: torch.Tensor | None = None
    first_layer: int = 0
    facts: dict = field(default_factory=dict)


def of_heads(heads_LHN: torch.Tensor, first_layer: int) -> Reading:
    """The reading whose scores are the mean over layers and heads."""
    heads_LHN = heads_LHN.cpu()
    return Reading(heads_LHN.double().mean((0, 1)), heads_LHN, first_layer)
