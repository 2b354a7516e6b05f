"""A Megatron-core GPTModel of a given architecture, on the given process groups.

A 16-bit model on a GPU takes linear layers and attention from TransformerEngine where it is installed; otherwise they
are megatron-core's local ones and PackedAttention. Both read packed rows (THD): RoPE and attention restart at every
segment. Of a pipeline each process has one stage: an equal share of the layers, the embedding in the first and the head
in the last.

# T local tokens of this rank, H hidden
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec
from megatron.core.models.gpt.gpt_model import GPTModel
from megatron.core.packed_seq_params import PackedSeqParams
from megatron.core.process_groups_config import ProcessGroupCollection
from megatron.core.transformer.enums import AttnBackend
from megatron.core.transformer.transformer_block import TransformerBlockSubmodules
from megatron.core.transformer.transformer_config import TransformerConfig
from torch import Tensor

from contracts.errors import InputError
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.attention import PackedAttention, PackedRow
from megatron_cdt.engine.device import device, has_gpu, megatron_calls
from megatron_cdt.engine.lora import LoraSettings
from megatron_cdt.engine.megatron_versions import mlp_submodules
from megatron_cdt.engine.norm import RmsNorm
from megatron_cdt.engine.options import Recompute
from megatron_cdt.engine.pipeline import Neighbours, ReceiveHidden, SendHidden, is_last_stage, neighbours_of
from megatron_cdt.engine.rope import attention_factor, rotary_inverse_frequencies, rotation_of_row
from megatron_cdt.engine.swiglu import SwiGluActivation
from megatron_cdt.engine.transformer_engine import take_transformer_engine, uses_transformer_engine

# Megatron-core's names: full recomputes each layer from its input, selective the core attention only.
RECOMPUTATION = {
    "none": {},
    "selective": {"recompute_granularity": "selective"},
    "full": {"recompute_granularity": "full", "recompute_method": "uniform", "recompute_num_layers": 1},
}


class LanguageModel(GPTModel):
    """A GPTModel that returns hidden states: the head belongs to the loss, which never holds n x V logits.

    Only the first pipeline stage has embeddings, only the last one final hidden states; elsewhere there are 0 of them.
    """

    neighbours: Neighbours | None = None  # the other stages, where there are any
    lora: LoraSettings | None = None  # its adapters, where it has any (engine/lora/adapters.py)

    def _postprocess(self, hidden_states, **_unused) -> Tensor:
        return hidden_states

    def head_weight(self) -> Tensor:
        """The output matrix's local vocabulary rows [V/tp, H]; the embedding itself where they are tied."""
        if self.share_embeddings_and_output_weights:
            return self.shared_embedding_or_output_weight()
        return self.output_layer.weight

    def embed(self, input_ids_T: Tensor) -> Tensor:
        """Token embeddings [T, 1, H] (T/tp under sequence parallelism); [0, 1, H] on a later stage."""
        if not self.pre_process:
            return torch.empty(
                0, 1, self.config.hidden_size, dtype=self.hidden_dtype, device=input_ids_T.device, requires_grad=True
            )
        embeddings_TBH = self.embedding(input_ids=input_ids_T.unsqueeze(0), position_ids=None)
        if torch.is_grad_enabled() and not embeddings_TBH.requires_grad:
            # Of a frozen matrix. Recomputed layers would learn nothing: they ask their input for a gradient.
            embeddings_TBH = embeddings_TBH.detach().requires_grad_()
        return embeddings_TBH

    def hidden_states(self, embeddings_TBH: Tensor, packing: PackedSeqParams) -> Tensor:
        """The decoder's output [T, 1, H], final norm included, for given embeddings of one packed row.

        An earlier stage hands its layers' output on and returns [0, 1, H], through which the gradient comes back.
        """
        if not self.pre_process:
            shape = (self.local_tokens(packing), 1, self.config.hidden_size)
            self.set_input_tensor(ReceiveHidden.apply(embeddings_TBH, shape, self.neighbours))
        hidden_TBH = self(
            input_ids=None,
            position_ids=None,
            attention_mask=None,
            decoder_input=embeddings_TBH,
            packed_seq_params=self.with_angles(packing),
        )
        # A stage would keep its last row's input until the next row.
        self.decoder.input_tensor = None
        return hidden_TBH if self.post_process else SendHidden.apply(hidden_TBH, self.neighbours)

    def with_angles(self, packing: PackedSeqParams) -> PackedRow:
        """The row with the angles by which attention turns queries and keys."""
        ends = packing.cu_seqlens_q_padded.tolist()
        lengths = [end - start for start, end in itertools.pairwise(ends)]
        groups, frequencies = self.pg_collection, self.rotary_pos_emb.inv_freq
        cosine, sine = rotation_of_row(
            lengths, frequencies, groups.cp.size(), groups.cp.rank(), self.config.params_dtype
        )
        return PackedRow(**vars(packing), cosine=cosine, sine=sine)

    @property
    def hidden_dtype(self) -> torch.dtype:
        """The dtype of the residual stream, which stages hand on."""
        return torch.float32 if self.config.fp32_residual_connection else self.config.params_dtype

    def local_tokens(self, packing: PackedSeqParams) -> int:
        """How many of a packed row's tokens this process's layers see."""
        tokens = int(packing.cu_seqlens_q_padded[-1]) // self.config.context_parallel_size
        return tokens // self.config.tensor_model_parallel_size if self.config.sequence_parallel else tokens

    @property
    def first_layer(self) -> int:
        """The number of this stage's first layer among all layers, from 0."""
        return self.pg_collection.pp.rank() * len(self.decoder.layers)


def layer_specs(
    architecture: Architecture, groups: ProcessGroupCollection, dtype: torch.dtype
) -> TransformerBlockSubmodules:
    """The layers of this stage: megatron-core's, with our attention (or TransformerEngine's parts), norm and sum."""
    layer = get_gpt_layer_local_spec(normalization="RMSNorm", qk_layernorm=architecture.qk_norm)
    attention = layer.submodules.self_attention.submodules
    attention.core_attention = PackedAttention
    if architecture.qk_norm:
        attention.q_layernorm = attention.k_layernorm = RmsNorm
    layer.submodules.input_layernorm = RmsNorm
    layer.submodules.pre_mlp_layernorm = RmsNorm
    layer.submodules.self_attn_bda = layer.submodules.mlp_bda = residual_sum
    mlp_submodules(layer).activation_func = SwiGluActivation
    if uses_transformer_engine(dtype):
        take_transformer_engine(layer)
    # Megatron-core's configuration knows biases everywhere, or those of queries, keys and values.
    if architecture.attention_bias:
        attention.linear_proj = with_bias(attention.linear_proj)
    if architecture.mlp_bias:
        mlp = mlp_submodules(layer)
        mlp.linear_fc1, mlp.linear_fc2 = with_bias(mlp.linear_fc1), with_bias(mlp.linear_fc2)
    layers_here = architecture.num_layers // groups.pp.size()
    return TransformerBlockSubmodules(layer_specs=[layer] * layers_here, layer_norm=RmsNorm)


def with_bias(linear: type[torch.nn.Module]) -> type[torch.nn.Module]:
    """A linear of megatron-core or TransformerEngine that has a bias, whatever it is told."""

    def make(self, *sizes, bias: bool, **options) -> None:
        linear.__init__(self, *sizes, bias=True, **options)

    return type(linear.__name__, (linear,), {"__init__": make})


@dataclass(frozen=True)
class ModelOptions:
    """How a model of an architecture is held and run; none of it changes what the model is."""

    dtype: torch.dtype = torch.float32
    fp32_residual: bool = False  # embeddings and residual stream stay fp32 under a 16-bit dtype
    sequence_parallel: bool = False  # split what tensor parallelism would repeat
    recompute: Recompute = "none"  # time for memory
    deterministic: bool = False  # Megatron's repeatable operators; training/determinism.py sets what else it takes
    # False saves the time and memory of drawing weights, for a caller that fills them all and does not train: Megatron
    # marks the tensor-parallel weights, which the gradient norm counts, while it draws them.
    initialize: bool = True


def transformer_config(
    architecture: Architecture, groups: ProcessGroupCollection, options: ModelOptions
) -> TransformerConfig:
    """Megatron-core's configuration of an architecture; losses are summed and divided by tokens once, globally."""
    check_divides(architecture, groups.tp.size(), groups.pp.size())
    return TransformerConfig(
        num_layers=architecture.num_layers,
        hidden_size=architecture.hidden_size,
        num_attention_heads=architecture.num_attention_heads,
        num_query_groups=architecture.num_key_value_heads,
        kv_channels=architecture.head_dim,
        ffn_hidden_size=architecture.ffn_hidden_size,
        layernorm_epsilon=architecture.rms_norm_eps,
        init_method_std=architecture.initializer_range,
        normalization="RMSNorm",
        gated_linear_unit=True,
        activation_func=F.silu,
        # The name means: the layer spec brings the activation (SwiGluActivation), with TransformerEngine or without.
        use_te_activation_func=True,
        add_bias_linear=False,
        add_qkv_bias=architecture.qkv_bias,
        # finalize_model_grads sums these norms' gradients over tensor parallel ranks, which hold other heads.
        qk_layernorm=architecture.qk_norm,
        # Of TransformerEngine's: cuDNN's, which knows packed rows and context parallelism; no other in silence.
        attention_backend=AttnBackend.fused,
        softmax_scale=softmax_scale(architecture),
        hidden_dropout=0.0,
        attention_dropout=0.0,
        bias_activation_fusion=False,
        masked_softmax_fusion=False,
        gradient_accumulation_fusion=False,
        persist_layer_norm=False,
        apply_rope_fusion=False,
        use_cpu_initialization=not has_gpu(),
        perform_initialization=options.initialize,
        deterministic_mode=options.deterministic,
        bf16=options.dtype is torch.bfloat16,
        fp16=options.dtype is torch.float16,
        params_dtype=options.dtype,
        fp32_residual_connection=options.fp32_residual,
        pipeline_dtype=options.dtype,
        tensor_model_parallel_size=groups.tp.size(),
        pipeline_model_parallel_size=groups.pp.size(),
        context_parallel_size=groups.cp.size(),
        cp_comm_type="p2p" if groups.cp.size() > 1 else None,
        calculate_per_token_loss=True,
        sequence_parallel=options.sequence_parallel and groups.tp.size() > 1,
        **RECOMPUTATION[options.recompute],
    )


def softmax_scale(architecture: Architecture) -> float | None:
    """m^2 / sqrt(head_dim) for YaRN's attention factor m; None: Megatron's own 1 / sqrt(head_dim).

    m multiplies queries and keys alike; in the scale of their product no kernel can lose it (fused RoPE would).
    """
    factor = attention_factor(architecture)
    return None if factor == 1 else factor**2 / math.sqrt(architecture.head_dim)


def check_divides(architecture: Architecture, tensor: int, pipeline: int) -> None:
    """Heads and vocabulary are cut evenly by tensor parallelism, layers by stages, or one line says what is not."""
    if architecture.num_layers % pipeline:
        raise InputError(
            f"num_layers {architecture.num_layers} is not a multiple of pipeline parallel {pipeline}; "
            f"choose a pipeline parallel size that divides it"
        )
    for name in ("num_attention_heads", "num_key_value_heads", "vocab_size", "ffn_hidden_size"):
        if getattr(architecture, name) % tensor:
            raise InputError(
                f"{name} {getattr(architecture, name)} is not a multiple of tensor parallel {tensor}; "
                f"choose a tensor parallel size that divides it"
            )


def build_model(
    architecture: Architecture, groups: ProcessGroupCollection, options: ModelOptions = ModelOptions()
) -> LanguageModel:
    """The model with fresh weights (load a checkpoint next), on this process's device, in train mode."""
    with megatron_calls():
        model = LanguageModel(
            config=transformer_config(architecture, groups, options),
            transformer_layer_spec=layer_specs(architecture, groups, options.dtype),
            vocab_size=architecture.vocab_size,
            max_sequence_length=architecture.max_position_embeddings,
            pre_process=groups.pp.rank() == 0,
            post_process=is_last_stage(groups),
            share_embeddings_and_output_weights=architecture.tie_word_embeddings,
            position_embedding_type="rope",
            rotary_base=architecture.rope_theta,
            pg_collection=groups,
        ).to(device())
    model.rotary_pos_emb.inv_freq = rotary_inverse_frequencies(architecture).to(device())
    # Attention turns queries and keys by itself, by the angles that come with the row.
    model.position_embedding_type = "none"
    model.neighbours = neighbours_of(groups)
    return model


def packed_row(segment_lengths: Sequence[int], groups: ProcessGroupCollection) -> PackedSeqParams:
    """Where the segments of one whole row end, as Megatron's THD parameters (padded lengths, in tokens)."""
    ends = torch.tensor([0, *itertools.accumulate(segment_lengths)], dtype=torch.int32, device=device())
    return PackedSeqParams(
        qkv_format="thd",
        cu_seqlens_q=ends,
        cu_seqlens_kv=ends,
        cu_seqlens_q_padded=ends,
        cu_seqlens_kv_padded=ends,
        max_seqlen_q=max(segment_lengths),
        max_seqlen_kv=max(segment_lengths),
        cp_group=groups.cp,
    )


def residual_sum(training: bool, fused: bool) -> Callable[[tuple[Tensor, Tensor | None], Tensor, float], Tensor]:
    """What megatron-core calls for the function that adds; neither argument changes anything here."""
    return add_to_residual


def add_to_residual(output_and_bias: tuple[Tensor, Tensor | None], residual: Tensor, dropout: float) -> Tensor:
    """residual + output, in the wider of their dtypes: [T, B, H]."""
    output, bias = output_and_bias
    assert not dropout, "dropout would break exact resume"
    return residual + (output if bias is None else output + bias)
