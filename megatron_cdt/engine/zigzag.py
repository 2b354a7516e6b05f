"""Which tokens of a row each context-parallel rank holds.

Every segment (document) of a row is cut into 2*cp equal chunks; rank r holds chunks r and 2*cp-1-r, so
that causal attention costs every rank the same. The same rule as TransformerEngine's packed (THD) layout.
Invariant: the ranks' index lists are a partition of the row.
"""

from collections.abc import Sequence

import torch


def local_token_indices(segment_lengths: Sequence[int], cp_size: int, cp_rank: int) -> torch.Tensor:
    """Row positions held by `cp_rank`, in its local order: int64 [S local tokens].

    Raises ValueError where a segment is not a multiple of 2*cp_size (and cp_size > 1).
    """
    held, start = [], 0
    for length in segment_lengths:
        held += [start + position for position in segment_indices(length, cp_size, cp_rank)]
        start += length
    return torch.tensor(held, dtype=torch.int64)


def segment_indices(length: int, cp_size: int, cp_rank: int) -> list[int]:
    """Positions inside one segment held by `cp_rank`: chunk r, then chunk 2*cp-1-r."""
    if cp_size == 1:
        return list(range(length))
    if length % (2 * cp_size):
        raise ValueError(f"segment of {length} tokens is not a multiple of 2*cp = {2 * cp_size}")
    chunk = length // (2 * cp_size)
    last = 2 * cp_size - 1 - cp_rank
    return [*range(cp_rank * chunk, (cp_rank + 1) * chunk), *range(last * chunk, (last + 1) * chunk)]


def row_order(segment_lengths: Sequence[int], cp_size: int) -> torch.Tensor:
    """For each row position, where it sits in the concatenation of all ranks' local tokens: int64 [n]."""
    gathered = torch.cat([local_token_indices(segment_lengths, cp_size, rank) for rank in range(cp_size)])
    return torch.argsort(gathered)
