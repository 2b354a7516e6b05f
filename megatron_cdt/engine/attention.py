"""Exact causal, block-diagonal attention under context parallelism, for machines without TransformerEngine.

Megatron-core's own DotProductAttention knows neither packed rows nor context parallelism; this module
takes its place in the layer spec on the CPU. Queries stay where they are (zigzag shards, see zigzag.py);
keys and values are gathered over the context-parallel group, and their gradients are summed back. Queries and keys
are turned here too, by angles that are computed once a row (PackedRow); Megatron's own RoPE is left out.

# T local tokens of this rank, N tokens of the row, A query heads, G key/value heads, D head size
"""

import itertools
from dataclasses import dataclass

import torch
import torch.distributed as dist
import torch.nn.functional as F
from megatron.core.packed_seq_params import PackedSeqParams
from megatron.core.process_groups_config import ProcessGroupCollection
from megatron.core.transformer.module import MegatronModule
from torch import Tensor

from megatron_cdt.engine.rope import Rotate
from megatron_cdt.engine.zigzag import row_order


@dataclass
class PackedRow(PackedSeqParams):
    """Where a row's segments end, and the angles of this rank's tokens."""

    cosine: Tensor | None = None  # [T, 1, D/2]
    sine: Tensor | None = None  # [T, 1, D/2]


class GatherRow(torch.autograd.Function):
    """[T, ...] shards of every rank -> [N, ...] in row order; the gradient is summed over the ranks."""

    @staticmethod
    def forward(ctx, shard_T: Tensor, order_N: Tensor, group: dist.ProcessGroup) -> Tensor:
        ctx.order_N, ctx.group = order_N, group
        gathered_N = shard_T.new_empty((group.size() * shard_T.shape[0], *shard_T.shape[1:]))
        dist.all_gather_into_tensor(gathered_N, shard_T.contiguous(), group=group)
        return gathered_N[order_N]

    @staticmethod
    def backward(ctx, grad_N: Tensor):
        by_rank_N = torch.empty_like(grad_N)
        by_rank_N[ctx.order_N] = grad_N
        grad_T = grad_N.new_empty((grad_N.shape[0] // ctx.group.size(), *grad_N.shape[1:]))
        dist.reduce_scatter_tensor(grad_T, by_rank_N, group=ctx.group)
        return grad_T, None, None


class PackedAttention(MegatronModule):
    """Core attention over one packed row: query [T, A, D], key and value [T, G, D] -> [T, A*D].

    `packed_seq_params` is a PackedRow: the padded segment ends of the whole row (cu_seqlens_q_padded, int32), angles.
    Every token attends to itself and to the earlier tokens of its own segment.
    """

    def __init__(
        self,
        config,
        layer_number,
        attn_mask_type,
        attention_type,
        attention_dropout=None,
        softmax_scale=None,
        cp_comm_type=None,
        pg_collection: ProcessGroupCollection | None = None,
    ):
        super().__init__(config=config)
        assert attention_type == "self", "only self-attention is built here"
        assert not attention_dropout, "attention dropout would break exact resume"
        self.cp_group = pg_collection.cp
        self.softmax_scale = softmax_scale

    def forward(
        self, query, key, value, attention_mask, attn_mask_type=None, attention_bias=None, packed_seq_params=None
    ):
        ends = packed_seq_params.cu_seqlens_q_padded.tolist()
        lengths = [end - start for start, end in itertools.pairwise(ends)]
        angles = packed_seq_params.cosine, packed_seq_params.sine
        query, key = (Rotate.apply(heads, *angles) for heads in (query, key))
        if self.cp_group.size() > 1:
            order_N = row_order(lengths, self.cp_group.size())
            both = GatherRow.apply(torch.stack((key, value), dim=1), order_N, self.cp_group)
            key, value = both.unbind(dim=1)
        else:
            # A value is a view of the projections of all three: kept alone, it lets go of the other two.
            value = value.contiguous()
        return attend_by_segment(
            query, key, value, lengths, self.cp_group.size(), self.cp_group.rank(), self.softmax_scale
        )

    def sharded_state_dict(self, prefix="", sharded_offsets=(), metadata=None):
        return {}


def attend_by_segment(
    query_TAD: Tensor, key_NGD: Tensor, value_NGD: Tensor, lengths: list[int], cp_size: int, cp_rank: int, scale
) -> Tensor:
    """Attention of this rank's queries to the row's keys, one causal block per (segment, chunk): [T, A*D]."""
    outputs, local, start = [], 0, 0
    for length in lengths:
        chunk = length if cp_size == 1 else length // (2 * cp_size)
        chunk_ids = [0] if cp_size == 1 else [cp_rank, 2 * cp_size - 1 - cp_rank]
        for chunk_id in chunk_ids:
            reach = slice(start, start + (chunk_id + 1) * chunk)
            outputs.append(causal_block(query_TAD[local : local + chunk], key_NGD[reach], value_NGD[reach], scale))
            local += chunk
        start += length
    return torch.cat(outputs).flatten(1)


def causal_block(query_QAD: Tensor, key_KGD: Tensor, value_KGD: Tensor, scale: float | None) -> Tensor:
    """Queries are the last Q of K positions; query i sees keys up to its own position: [Q, A, D]."""
    query, key, value = (tensor.transpose(0, 1).unsqueeze(0) for tensor in (query_QAD, key_KGD, value_KGD))
    num_queries, num_keys = query.shape[2], key.shape[2]
    mask = None
    if num_keys > num_queries:
        mask = torch.ones(num_queries, num_keys, dtype=torch.bool, device=query.device)
        mask = mask.tril_(diagonal=num_keys - num_queries)
    output = F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=mask is None, scale=scale, enable_gqa=True
    )
    return output.squeeze(0).transpose(0, 1)
