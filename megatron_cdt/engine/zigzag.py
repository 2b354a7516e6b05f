"""Which tokens of a row each context-parallel rank holds.

Every segment (document) of a row is cut into 2*cp equal chunks; rank r holds chunks r and 2*cp-1-r, so
that causal attention costs every rank the same. The same rule as TransformerEngine's packed (THD) layout.
Invariant: the ranks' index lists are a partition of the row.
"""

import itertools
from collections.abc import Sequence

import torch


def local_token_indices(segment_lengths: Sequence[int], cp_size: int, cp_rank: int) -> torch.Tensor:
    """Row positions held by `cp_rank`, in its local order: int64 [S local tokens].

    Raises ValueError where a segment is not a multiple of 2*cp_size (and cp_size > 1).
    """
    starts = [0, *itertools.accumulate(segment_lengths)]
    held = [
        start + segment_positions(length, cp_size, cp_rank)
        for start, length in zip(starts, segment_lengths, strict=False)
    ]
    return torch.cat(held)


def local_positions(segment_lengths: Sequence[int], cp_size: int, cp_rank: int) -> torch.Tensor:
    """The place in its own segment of every token held by `cp_rank`, in its local order: int64 [S local tokens]."""
    return torch.cat([segment_positions(length, cp_size, cp_rank) for length in segment_lengths])


def segment_positions(length: int, cp_size: int, cp_rank: int) -> torch.Tensor:
    """Positions inside one segment held by `cp_rank`, chunk r, then chunk 2*cp-1-r: int64."""
    if cp_size == 1:
        return torch.arange(length)
    if length % (2 * cp_size):
        raise ValueError(f"segment of {length} tokens is not a multiple of 2*cp = {2 * cp_size}")
    chunk = length // (2 * cp_size)
    last = 2 * cp_size - 1 - cp_rank
    return torch.cat([torch.arange(first * chunk, (first + 1) * chunk) for first in (cp_rank, last)])


def row_order(segment_lengths: Sequence[int], cp_size: int) -> torch.Tensor:
    """For each row position, where it sits in the concatenation of all ranks' local tokens: int64 [n]."""
    gathered = torch.cat([local_token_indices(segment_lengths, cp_size, rank) for rank in range(cp_size)])
    return torch.argsort(gathered)
