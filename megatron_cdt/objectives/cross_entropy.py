"""Summed next-token cross-entropy of one row, head included, without ever holding n x V logits.

The head's matrix product, the softmax and their gradients are done chunk by chunk in the forward pass, at
labelled positions only: peak memory is one chunk of logits, and nothing is computed twice.

# T local tokens, L labelled ones, C tokens of a chunk, V local vocabulary rows (V/tp of the whole), H hidden
"""

from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist
from megatron.core.process_groups_config import ProcessGroupCollection
from megatron.core.tensor_parallel.mappings import gather_from_sequence_parallel_region
from torch import Tensor

from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.objectives.row import NO_LABEL, LocalRow

# 2^26 fp32 logits are 256 MiB: 523 tokens at vocabulary 128,256, enough to fill a GPU's matrix units.
LOGITS_PER_CHUNK = 2**26
TokenWeights = Callable[[Tensor, Tensor], Tensor]


def summed_cross_entropy(
    model: LanguageModel,
    embeddings_TBH: Tensor,
    row: LocalRow,
    groups: ProcessGroupCollection,
    weigh: TokenWeights | None = None,
) -> Tensor:
    """Sum over this rank's labelled tokens of weight x -log p(label): fp64 scalar, differentiable, in nats.

    `weigh(losses_C, positions_C)` gives the weights (constants, no gradient) of the tokens at those local
    positions from their losses; without it every weight is 1. A pipeline stage without the head has a sum of 0.
    """
    hidden_TH = head_input(model, embeddings_TBH, row, groups)
    if not model.post_process:
        return hidden_TH.sum(dtype=torch.float64)
    return HeadCrossEntropy.apply(
        hidden_TH,
        model.head_weight(),
        row.labels_T,
        groups.tp,
        not model.config.sequence_parallel,
        weigh,
    )


@torch.no_grad()
def token_losses(model: LanguageModel, embeddings_TBH: Tensor, row: LocalRow, groups: ProcessGroupCollection) -> Tensor:
    """-log p(label) of every local position: fp32 [T], in nats, 0 where there is no label or head; no gradient."""
    hidden_TH = head_input(model, embeddings_TBH, row, groups)
    losses_T = torch.zeros(len(row.labels_T), device=hidden_TH.device)
    if not model.post_process:
        return losses_T
    weight_VH = model.head_weight()
    for positions_C in labelled_chunks(row.labels_T, weight_VH.shape[0]):
        losses_T[positions_C], _ = losses_and_gradient(
            hidden_TH[positions_C], weight_VH, row.labels_T[positions_C], groups.tp
        )
    return losses_T


def head_input(model: LanguageModel, embeddings_TBH: Tensor, row: LocalRow, groups: ProcessGroupCollection) -> Tensor:
    """The final hidden states of all this context rank's tokens: [T, H]; [0, H] on a stage without the head."""
    hidden_TBH = model.hidden_states(embeddings_TBH, row.packing)
    if model.config.sequence_parallel and model.post_process:
        # Its backward sums the vocabulary slices' gradients and scatters them over the sequence, in one go.
        hidden_TBH = gather_from_sequence_parallel_region(hidden_TBH, group=groups.tp)
    return hidden_TBH.squeeze(1)


def labelled_chunks(labels_T: Tensor, local_vocabulary: int) -> Sequence[Tensor]:
    """The labelled local positions, in pieces whose logits fit in memory: int64 [C] each."""
    labelled_L = (labels_T != NO_LABEL).nonzero().squeeze(1)
    return labelled_L.split(max(1, LOGITS_PER_CHUNK // local_vocabulary))


class HeadCrossEntropy(torch.autograd.Function):
    """sum_t w_t x -log softmax(W h_t)[label_t] over labelled t, with W split over the vocabulary in `tp_group`."""

    @staticmethod
    def forward(
        ctx,
        hidden_TH: Tensor,
        weight_VH: Tensor,
        labels_T: Tensor,
        tp_group: dist.ProcessGroup,
        sum_hidden_gradient: bool = True,
        weigh: TokenWeights | None = None,
    ) -> Tensor:
        grad_hidden_TH = torch.zeros_like(hidden_TH) if ctx.needs_input_grad[0] else None
        grad_weight_VH = torch.zeros_like(weight_VH, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        loss = torch.zeros((), dtype=torch.float64, device=hidden_TH.device)
        for positions_C in labelled_chunks(labels_T, weight_VH.shape[0]):
            hidden_CH = hidden_TH[positions_C]
            losses_C, grad_logits_CV = losses_and_gradient(hidden_CH, weight_VH, labels_T[positions_C], tp_group)
            if weigh is not None:
                weights_C = weigh(losses_C, positions_C)
                losses_C, grad_logits_CV = losses_C * weights_C, grad_logits_CV.mul_(weights_C.unsqueeze(1))
            loss += losses_C.double().sum()
            grad_logits_CV = grad_logits_CV.to(hidden_TH.dtype)
            if grad_hidden_TH is not None:
                grad_hidden_TH[positions_C] = grad_logits_CV @ weight_VH
            if grad_weight_VH is not None:
                add_product(grad_weight_VH, grad_logits_CV.T, hidden_CH)
            # Or it would still be there while the next chunk is made.
            del grad_logits_CV
        if grad_hidden_TH is not None and sum_hidden_gradient and tp_group.size() > 1:
            dist.all_reduce(grad_hidden_TH, group=tp_group)
        ctx.save_for_backward(grad_hidden_TH, grad_weight_VH)
        ctx.weight_dtype = weight_VH.dtype
        return loss

    @staticmethod
    def backward(ctx, grad_loss: Tensor):
        grad_hidden_TH, grad_weight_VH = ctx.saved_tensors
        if grad_hidden_TH is not None:
            grad_hidden_TH = grad_hidden_TH * grad_loss.to(grad_hidden_TH.dtype)
        if grad_weight_VH is not None:
            # In place: a second V x H would be the largest tensor of the step. A second backward is refused by torch.
            grad_weight_VH = grad_weight_VH.mul_(grad_loss.float()).to(ctx.weight_dtype)
        return grad_hidden_TH, grad_weight_VH, None, None, None, None


def add_product(total_VH: Tensor, left_VC: Tensor, right_CH: Tensor) -> None:
    """total += left @ right, in fp32; without a V x H in between where all three are fp32."""
    if left_VC.dtype == right_CH.dtype == total_VH.dtype:
        total_VH.addmm_(left_VC, right_CH)
    else:
        total_VH += left_VC @ right_CH


def losses_and_gradient(
    hidden_CH: Tensor, weight_VH: Tensor, labels_C: Tensor, tp_group: dist.ProcessGroup
) -> tuple[Tensor, Tensor]:
    """Token losses [C] and d loss / d logits [C, V] (softmax - one-hot), both fp32, over the whole vocabulary."""
    logits_CV = (hidden_CH @ weight_VH.T).float()
    maximum_C = max_over_vocabulary(logits_CV.amax(dim=1), tp_group)
    logits_CV -= maximum_C.unsqueeze(1)
    local_label_C, owned_C = local_labels(labels_C, weight_VH.shape[0], tp_group)
    label_logit_C = logits_CV.gather(1, local_label_C.unsqueeze(1)).squeeze(1) * owned_C
    exponentials_CV = logits_CV.exp_()
    partition_C, label_logit_C = sum_over_vocabulary(exponentials_CV.sum(dim=1), label_logit_C, tp_group)
    gradient_CV = exponentials_CV.div_(partition_C.unsqueeze(1))
    gradient_CV.scatter_add_(1, local_label_C.unsqueeze(1), -owned_C.float().unsqueeze(1))
    return partition_C.log() - label_logit_C, gradient_CV


def local_labels(labels_C: Tensor, local_vocabulary: int, tp_group: dist.ProcessGroup) -> tuple[Tensor, Tensor]:
    """Labels as rows of this rank's vocabulary slice (0 where it is another's), and whether they are its own."""
    local_C = labels_C - tp_group.rank() * local_vocabulary
    owned_C = (local_C >= 0) & (local_C < local_vocabulary)
    return torch.where(owned_C, local_C, 0), owned_C


def max_over_vocabulary(local_C: Tensor, tp_group: dist.ProcessGroup) -> Tensor:
    """The largest logit over all vocabulary slices."""
    if tp_group.size() > 1:
        dist.all_reduce(local_C, op=dist.ReduceOp.MAX, group=tp_group)
    return local_C


def sum_over_vocabulary(partition_C: Tensor, label_logit_C: Tensor, tp_group: dist.ProcessGroup):
    """Partition function and label logit over all vocabulary slices, in one reduction."""
    if tp_group.size() > 1:
        both = torch.stack([partition_C, label_logit_C])
        dist.all_reduce(both, group=tp_group)
        partition_C, label_logit_C = both
    return partition_C, label_logit_C
