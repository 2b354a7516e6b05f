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
# On a CPU softmax passes over no more at a time than a core's cache holds (1 MiB).
CACHED_LOGITS = 2**18
# Vocabulary rows of one product on a CPU: its BLAS is a fifth slower on all of them at once.
ROWS_PER_PRODUCT = 1024
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
    return cross_entropy_of_states(model, head_input(model, embeddings_TBH, row, groups), row, groups, weigh)


def cross_entropy_of_states(
    model: LanguageModel,
    hidden_TH: Tensor,
    row: LocalRow,
    groups: ProcessGroupCollection,
    weigh: TokenWeights | None = None,
) -> Tensor:
    """The same from what `head_input` gave, for a loss that looks at these states besides."""
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


def head_input(
    model: LanguageModel, embeddings_TBH: Tensor, row: LocalRow, groups: ProcessGroupCollection, *, of_head: bool = True
) -> Tensor:
    """The final hidden states of all this context rank's tokens: [T, H]; [0, H] on a stage without the head.

    `of_head`: what the backward pass brings is of each tensor parallel rank's vocabulary slice. A loss of the states
    themselves, without the head, has the whole gradient on every rank.
    """
    hidden_TBH = model.hidden_states(embeddings_TBH, row.packing)
    if model.config.sequence_parallel and model.post_process:
        # Its backward scatters the gradient over the sequence, and of the head's slices the sum, in one go.
        hidden_TBH = gather_from_sequence_parallel_region(
            hidden_TBH, tensor_parallel_output_grad=of_head, group=groups.tp
        )
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
        needs_hidden, needs_weight, *_ = ctx.needs_input_grad
        grad_hidden_TH = torch.zeros_like(hidden_TH) if needs_hidden else None
        grad_weight_VH = None
        loss = torch.zeros((), dtype=torch.float64, device=hidden_TH.device)
        for positions_C in labelled_chunks(labels_T, weight_VH.shape[0]):
            hidden_CH = hidden_TH[positions_C]
            losses_C, grad_logits_CV = losses_and_gradient(hidden_CH, weight_VH, labels_T[positions_C], tp_group)
            if weigh is not None:
                weights_C = weigh(losses_C, positions_C)
                losses_C, grad_logits_CV = losses_C * weights_C, grad_logits_CV.mul_(weights_C.unsqueeze(1))
            loss += losses_C.double().sum()
            grad_logits_CV = grad_logits_CV.to(hidden_TH.dtype)
            if needs_hidden:
                grad_hidden_TH[positions_C] = grad_logits_CV @ weight_VH
            if needs_weight:
                grad_weight_VH = add_product(grad_weight_VH, grad_logits_CV.T, hidden_CH)
            # Or it would still be there while the next chunk is made.
            del grad_logits_CV
        if needs_weight and grad_weight_VH is None:
            grad_weight_VH = torch.zeros_like(weight_VH, dtype=torch.float32)
        if needs_hidden and sum_hidden_gradient and tp_group.size() > 1:
            dist.all_reduce(grad_hidden_TH, group=tp_group)
        ctx.save_for_backward(grad_hidden_TH, grad_weight_VH)
        ctx.weight_dtype = weight_VH.dtype
        return loss

    @staticmethod
    def backward(ctx, grad_loss: Tensor):
        grad_hidden_TH, grad_weight_VH = ctx.saved_tensors
        # In place: a second V x H would be the largest tensor of the step. A second backward is refused by torch.
        # On a CPU a look at the factor costs nothing, and a training step's is 1.
        if not grad_loss.is_cpu or grad_loss != 1:
            for gradient in (grad_hidden_TH, grad_weight_VH):
                if gradient is not None:
                    gradient.mul_(grad_loss.to(gradient.dtype))
        if grad_weight_VH is not None:
            grad_weight_VH = grad_weight_VH.to(ctx.weight_dtype)
        return grad_hidden_TH, grad_weight_VH, None, None, None, None


def add_product(total_VH: Tensor | None, left_VC: Tensor, right_CH: Tensor) -> Tensor:
    """total + left @ right in fp32, in place; the first product is its own total, without a matrix of zeros."""
    if left_VC.is_cuda and left_VC.dtype is not torch.float32:
        return add_product_of_16_bits(total_VH, left_VC, right_CH)
    if left_VC.dtype is not torch.float32:
        product_VH = left_VC @ right_CH
        return product_VH.float() if total_VH is None else total_VH.add_(product_VH)
    is_first = total_VH is None
    if is_first:
        total_VH = right_CH.new_empty(len(left_VC), right_CH.shape[1])
    for left, total in zip(left_VC.split(ROWS_PER_PRODUCT), total_VH.split(ROWS_PER_PRODUCT), strict=True):
        torch.addmm(total, left, right_CH, beta=0 if is_first else 1, out=total)
    return total_VH


def add_product_of_16_bits(total_VH: Tensor | None, left_VC: Tensor, right_CH: Tensor) -> Tensor:
    """The same on a GPU, whose matrix units sum in fp32 anyway: no V x H of 16 bits is made, nor added in a pass."""
    if total_VH is None:
        return torch.mm(left_VC, right_CH, out_dtype=torch.float32)
    return torch.addmm(total_VH, left_VC, right_CH, out_dtype=torch.float32, out=total_VH)


def losses_and_gradient(
    hidden_CH: Tensor, weight_VH: Tensor, labels_C: Tensor, tp_group: dist.ProcessGroup
) -> tuple[Tensor, Tensor]:
    """Token losses [C] and d loss / d logits [C, V] (softmax - one-hot), both fp32, over the whole vocabulary."""
    logits_CV = head_logits(hidden_CH, weight_VH)
    local_label_C, owned_C = local_labels(labels_C, weight_VH.shape[0], tp_group)
    label_logit_C = logits_CV.gather(1, local_label_C.unsqueeze(1)).squeeze(1)
    maximum_C, partition_C = softmax_in_place(logits_CV)
    label_logit_C = (label_logit_C - maximum_C) * owned_C
    if tp_group.size() > 1:
        label_logit_C, partition_C = over_vocabulary(
            logits_CV, label_logit_C, maximum_C, partition_C, owned_C, tp_group
        )
    logits_CV.scatter_add_(1, local_label_C.unsqueeze(1), -owned_C.float().unsqueeze(1))
    return partition_C.log() - label_logit_C, logits_CV


def head_logits(hidden_CH: Tensor, weight_VH: Tensor) -> Tensor:
    """hidden @ weight^T: fp32 [C, V], on a CPU product by product, with the same bits."""
    if not hidden_CH.is_cpu or hidden_CH.dtype is not torch.float32:
        return (hidden_CH @ weight_VH.T).float()
    logits_CV = hidden_CH.new_empty(hidden_CH.shape[0], weight_VH.shape[0])
    for rows, columns in zip(weight_VH.split(ROWS_PER_PRODUCT), logits_CV.split(ROWS_PER_PRODUCT, dim=1), strict=True):
        torch.mm(hidden_CH, rows.T, out=columns)
    return logits_CV


def softmax_in_place(logits_CV: Tensor) -> tuple[Tensor, Tensor]:
    """Logits become their softmax; returns their maximum [C] and the sum of exp(logit - maximum) [C].

    The sum is taken from the largest probability, which never underflows.
    """
    # On a GPU all at once: parts of 16 MiB took seven times as long, a twentieth of a step.
    rows = max(1, CACHED_LOGITS // logits_CV.shape[1]) if logits_CV.is_cpu else len(logits_CV)
    maximum_C, largest_C = (torch.cat(each) for each in zip(*map(softmax_of_block, logits_CV.split(rows)), strict=True))
    return maximum_C, largest_C.reciprocal_()


def softmax_of_block(logits_BV: Tensor) -> tuple[Tensor, Tensor]:
    """Logits become their softmax; returns the largest logit [B] and the largest probability [B] of every token."""
    maximum_B = logits_BV.amax(dim=1)
    if logits_BV.is_cpu:
        torch.softmax(logits_BV, dim=1, out=logits_BV)
    else:
        logits_BV.copy_(logits_BV.softmax(dim=1))
    return maximum_B, logits_BV.amax(dim=1)


def local_labels(labels_C: Tensor, local_vocabulary: int, tp_group: dist.ProcessGroup) -> tuple[Tensor, Tensor]:
    """Labels as rows of this rank's vocabulary slice (0 where it is another's), and whether they are its own."""
    local_C = labels_C - tp_group.rank() * local_vocabulary
    owned_C = (local_C >= 0) & (local_C < local_vocabulary)
    return torch.where(owned_C, local_C, 0), owned_C


def over_vocabulary(
    softmax_CV: Tensor,
    label_logit_C: Tensor,
    maximum_C: Tensor,
    partition_C: Tensor,
    owned_C: Tensor,
    tp_group: dist.ProcessGroup,
) -> tuple[Tensor, Tensor]:
    """The softmax of this rank's slice becomes that of the whole vocabulary; its label logit and partition function.

    Both are relative to the largest logit of all slices.
    """
    largest_C = maximum_C.clone()
    dist.all_reduce(largest_C, op=dist.ReduceOp.MAX, group=tp_group)
    own_C = partition_C * (maximum_C - largest_C).exp_()
    both = torch.stack([label_logit_C + (maximum_C - largest_C) * owned_C, own_C])
    dist.all_reduce(both, group=tp_group)
    softmax_CV.mul_((own_C / both[1]).unsqueeze(1))
    return both[0], both[1]
