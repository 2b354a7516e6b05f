"""Attention under context parallelism on a CPU: what each rank computes, zigzag shards against contiguous ones.

Each rank's share is computed here in turn, forward and backward, on the kernel call that a rank makes
(engine.attention.attend_by_segment); the exchange of keys and values between processes is not part of it.
A masked block costs its whole rectangle of queries x keys; "pairs" are those that the causal mask leaves.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from benches.train.flops import count_flops
from benches.train.report import Table
from megatron_cdt.engine.attention import attend_by_segment, causal_block
from megatron_cdt.engine.zigzag import segment_positions

HEADS, KEY_VALUE_HEADS, HEAD_DIM = 8, 2, 32
Share = Callable[[], Tensor]


def random_states(tokens: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of one document: [N, heads, D]."""
    generator = torch.Generator().manual_seed(tokens)
    heads = (HEADS, KEY_VALUE_HEADS, KEY_VALUE_HEADS)
    return tuple(torch.randn(tokens, count, HEAD_DIM, generator=generator).requires_grad_() for count in heads)


def zigzag_share(tokens: int, size: int, rank: int) -> Share:
    """The attention of one rank as the engine cuts it: chunks r and 2*cp-1-r."""
    query, key, value = random_states(tokens)
    own = query.detach()[segment_positions(tokens, size, rank)].requires_grad_()
    return lambda: attend_by_segment(own, key, value, [tokens], size, rank, None)


def contiguous_share(tokens: int, size: int, rank: int) -> Share:
    """The attention of one rank if it held the rank-th part of the document in one piece."""
    query, key, value = random_states(tokens)
    end = (rank + 1) * tokens // size
    own = query.detach()[rank * tokens // size : end].requires_grad_()
    return lambda: causal_block(own, key[:end], value[:end], None)


def zigzag_pairs(tokens: int, size: int, rank: int) -> int:
    """Query-key pairs that the causal mask leaves to one rank."""
    return sum(position + 1 for position in segment_positions(tokens, size, rank).tolist())


def contiguous_pairs(tokens: int, size: int, rank: int) -> int:
    """The same for one piece."""
    return sum(range(rank * tokens // size + 1, (rank + 1) * tokens // size + 1))


def forward_and_backward(share: Share) -> None:
    """One rank's work."""
    share().sum().backward()


def cpu_seconds(share: Share, repetitions: int) -> float:
    """Median CPU seconds of one rank's work; a busy machine disturbs them less than wall seconds."""
    forward_and_backward(share)
    taken = []
    for _ in range(repetitions):
        begin = time.process_time()
        forward_and_backward(share)
        taken.append(time.process_time() - begin)
    return statistics.median(taken)


def imbalance(values: Sequence[float]) -> float:
    """max / mean over the ranks: the slowest one decides, 1 is perfect."""
    return max(values) / statistics.mean(values)


def context_parallel_table(lengths: list[int], sizes: list[int], *, repetitions: int) -> Table:
    """Cost of the dearest rank, and the balance of both ways of cutting."""
    rows = []
    for tokens in lengths:
        for size in sizes:
            ranks = range(size)
            zigzag = [zigzag_share(tokens, size, rank) for rank in ranks]
            contiguous = [contiguous_share(tokens, size, rank) for rank in ranks]
            flops = [count_flops(partial(forward_and_backward, share)) for share in zigzag]
            seconds = [cpu_seconds(share, repetitions) for share in zigzag]
            other = [cpu_seconds(share, repetitions) for share in contiguous]
            rows.append(
                {
                    "tokens": tokens,
                    "cp": size,
                    "GFLOP of the dearest rank": max(flops) / 1e9,
                    "ms of it": max(seconds) * 1e3,
                    "contiguous: ms": max(other) * 1e3,
                    "max/mean pairs": imbalance([zigzag_pairs(tokens, size, rank) for rank in ranks]),
                    "max/mean FLOP": imbalance(flops),
                    "max/mean ms": imbalance(seconds),
                    "contiguous: pairs": imbalance([contiguous_pairs(tokens, size, rank) for rank in ranks]),
                    "contiguous: max/mean ms": imbalance(other),
                }
            )
    notes = [
        f"{HEADS} query heads, {KEY_VALUE_HEADS} key/value heads of {HEAD_DIM}, fp32, one document; forward and "
        f"backward, CPU seconds, median of {repetitions}; ranks run in turn, the exchange of keys and values left out.",
        "FLOPs count a causal block as its whole square (cp 1: n x n), a masked one as its rectangle.",
    ]
    return Table("Attention of one rank under context parallelism", rows, notes)
