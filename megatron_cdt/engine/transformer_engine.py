"""What TransformerEngine brings to a layer, where it is installed and there is a GPU: linear layers, fused attention.

Its kernels are for 16-bit models; an fp32 model takes megatron-core's own layers on a GPU too, so that its numbers are
those of a CPU within rounding. Norms, rotation, SwiGLU and the residual stream are this project's in either case.
Importing this module needs no TransformerEngine.

# T local tokens of this rank, A query heads, G key/value heads, D head size
"""

import importlib.util

import torch
from megatron.core.process_groups_config import ProcessGroupCollection
from megatron.core.transformer.enums import AttnMaskType
from megatron.core.transformer.module import MegatronModule
from megatron.core.transformer.spec_utils import ModuleSpec
from megatron.core.transformer.transformer_config import TransformerConfig
from torch import Tensor

from megatron_cdt.engine.device import has_gpu
from megatron_cdt.engine.rope import Rotate

DTYPES = (torch.bfloat16, torch.float16)


def uses_transformer_engine(dtype: torch.dtype) -> bool:
    """Whether a model of this dtype takes its layers from TransformerEngine."""
    return dtype in DTYPES and has_gpu() and importlib.util.find_spec("transformer_engine") is not None


def take_transformer_engine(layer: ModuleSpec) -> None:
    """Put TransformerEngine's parts into a local layer's spec, in place."""
    from megatron.core.extensions import transformer_engine as parts

    attention, mlp = layer.submodules.self_attention.submodules, layer.submodules.mlp.submodules
    attention.core_attention = FusedAttention
    attention.linear_qkv = mlp.linear_fc1 = parts.TEColumnParallelLinear
    attention.linear_proj = mlp.linear_fc2 = parts.TERowParallelLinear


class FusedAttention(MegatronModule):
    """TransformerEngine's attention over one packed row: query [T, A, D], key and value [T, G, D] -> [T, A*D].

    `packed_seq_params` is a PackedRow; queries and keys are turned here, by the angles that it brings.
    """

    def __init__(
        self,
        config: TransformerConfig,
        layer_number: int,
        attn_mask_type: AttnMaskType,
        attention_type: str,
        attention_dropout: float | None = None,
        softmax_scale: float | None = None,
        cp_comm_type: str | None = None,
        pg_collection: ProcessGroupCollection | None = None,
    ) -> None:
        super().__init__(config=config)
        from megatron.core.extensions.transformer_engine import TEDotProductAttention

        self.kernel = TEDotProductAttention(
            config,
            layer_number,
            attn_mask_type,
            attention_type,
            attention_dropout=attention_dropout,
            softmax_scale=softmax_scale,
            cp_comm_type=cp_comm_type,
            pg_collection=pg_collection,
        )

    def forward(
        self, query, key, value, attention_mask, attn_mask_type=None, attention_bias=None, packed_seq_params=None
    ) -> Tensor:
        angles = packed_seq_params.cosine, packed_seq_params.sine
        query, key = (Rotate.apply(heads, *angles) for heads in (query, key))
        # A value is a view of the projections of all three: kept alone, it lets go of the other two.
        value = value.contiguous()
        return self.kernel(query, key, value, attention_mask, attn_mask_type, packed_seq_params=packed_seq_params)

    def sharded_state_dict(self, prefix="", sharded_offsets=(), metadata=None) -> dict:
        """Nothing to store: attention has no weights."""
        return {}
