"""One CDT step as one would write it with transformers: the other side of the wall-time comparison.

Two calls of the model with labels, gradient of the embeddings by torch.autograd.grad, Eq. 2 to 4; SDPA attention,
Hugging Face's own loss on whole logits. A row of several documents gets restarted positions and, where there is
more than one, a block-diagonal mask, as transformers asks for packed rows.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from benches.train.cases import RATES, SEED
from megatron_cdt.architecture import Architecture
from megatron_cdt.huggingface.config import write_config
from megatron_cdt.huggingface.fresh import FreshWeights
from megatron_cdt.objectives.cdt import CdtSettings
from megatron_cdt.objectives.row import WholeRow


def build_plain_model(architecture: Architecture) -> LlamaForCausalLM:
    """transformers' Llama with the weights of cases.build_bench_model, in fp32, SDPA attention."""
    values = write_config(architecture)
    model = LlamaForCausalLM._from_config(LlamaConfig(**values), attn_implementation="sdpa", dtype=torch.float32)
    source = FreshWeights(architecture, SEED)
    model.load_state_dict({name: source.read(name) for name in source.shapes})
    return model.train()


def plain_inputs(row: WholeRow) -> dict[str, Tensor | None]:
    """Ids, shifted labels, positions and mask of one row, batch dimension 1."""
    positions_N = torch.cat([torch.arange(length) for length in row.segment_lengths])
    return {
        "input_ids": torch.from_numpy(row.input_ids_N).unsqueeze(0),
        "shift_labels": torch.from_numpy(row.labels_N).unsqueeze(0),
        "position_ids": positions_N.unsqueeze(0),
        "attention_mask": block_diagonal_mask(row.segment_lengths) if len(row.segment_lengths) > 1 else None,
    }


def block_diagonal_mask(lengths: Sequence[int]) -> Tensor:
    """Each token sees the earlier tokens of its own document: bool [1, 1, N, N]."""
    blocks = [torch.ones(length, length, dtype=torch.bool).tril() for length in lengths]
    return torch.block_diag(*blocks).bool()[None, None]


def plain_cdt_step(model: LlamaForCausalLM, inputs: dict[str, Tensor | None], settings: CdtSettings) -> Tensor:
    """Forward and backward of one row; returns the mean loss on denoised embeddings, gradients are in the model."""
    model.zero_grad(set_to_none=True)
    inputs = dict(inputs)
    embeddings = model.get_input_embeddings()(inputs.pop("input_ids"))
    leaf = embeddings.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(mean_loss(model, leaf, inputs), leaf)
    norms = gradient.norm(dim=-1)
    noise = norms < norms.mean()
    denoised = embeddings - gradient * noise.unsqueeze(-1) * RATES["lr_nominal"] * settings.beta
    loss = mean_loss(model, denoised, inputs)
    loss.backward()
    return loss.detach()


def mean_loss(model: LlamaForCausalLM, embeddings: Tensor, inputs: dict[str, Tensor | None]) -> Tensor:
    """Hugging Face's loss for given embeddings."""
    return model(inputs_embeds=embeddings, labels=inputs["shift_labels"], use_cache=False, **inputs).loss
