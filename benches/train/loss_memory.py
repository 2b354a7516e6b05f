"""Peak memory of the loss at Llama-3's vocabulary: ours (in chunks) beside whole logits.

Ours really runs, forward and backward, and every allocation is followed (allocations.py). The plain loss
(logits = h W^T in fp32, F.cross_entropy, backward) is followed on fake tensors, because it would need the memory.
"""

import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

from benches.train.allocations import PeakAllocation
from benches.train.report import Table, bytes_text, verdict
from megatron_cdt.objectives import cross_entropy
from megatron_cdt.objectives.cross_entropy import HeadCrossEntropy

# One chunk of fp32 logits, a tenth for what goes with it (maxima, labels, sums).
CHUNKS_ALLOWED = 1.1


def head_inputs(tokens: int, vocabulary: int, hidden: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hidden states, head weight and labels of `tokens` positions, all labelled."""
    generator = torch.Generator().manual_seed(tokens)
    states_TH = torch.randn(tokens, hidden, generator=generator).requires_grad_()
    weight_VH = torch.randn(vocabulary, hidden, generator=generator).requires_grad_()
    return states_TH, weight_VH, torch.randint(0, vocabulary, (tokens,), generator=generator)


def chunked_peak(tokens: int, vocabulary: int, hidden: int, tp_group) -> int:
    """Peak bytes of our loss, forward and backward, the gradients of its inputs included."""
    states_TH, weight_VH, labels_T = head_inputs(tokens, vocabulary, hidden)
    with PeakAllocation() as memory:
        HeadCrossEntropy.apply(states_TH, weight_VH, labels_T, tp_group).backward()
    return memory.peak


def whole_peak(tokens: int, vocabulary: int, hidden: int) -> int:
    """The same of the plain loss, which holds n x V logits, their log-softmax and their gradient."""
    with FakeTensorMode():
        states_TH = torch.empty(tokens, hidden, requires_grad=True)
        weight_VH = torch.empty(vocabulary, hidden, requires_grad=True)
        labels_T = torch.zeros(tokens, dtype=torch.int64)
        with PeakAllocation() as memory:
            F.cross_entropy((states_TH @ weight_VH.T).float(), labels_T).backward()
    return memory.peak


def gradient_bytes(tokens: int, vocabulary: int, hidden: int) -> int:
    """What no loss can do without: the gradients of hidden states and weight; the former twice, while it is scaled."""
    return 4 * hidden * (2 * tokens + vocabulary)


def loss_table(lengths: list[int], vocabulary: int, hidden: int, tp_group) -> Table:
    """Growing rows; a constant remainder above the gradients is one chunk."""
    chunk = 4 * vocabulary * (cross_entropy.LOGITS_PER_CHUNK // vocabulary)
    rows = []
    for tokens in lengths:
        peak, gradients = chunked_peak(tokens, vocabulary, hidden, tp_group), gradient_bytes(tokens, vocabulary, hidden)
        rows.append(
            {
                "tokens": tokens,
                "peak": bytes_text(peak),
                "of it gradients": bytes_text(gradients),
                "rest / chunk": (peak - gradients) / chunk,
                "plain loss": bytes_text(whole_peak(tokens, vocabulary, hidden)),
                "n x V in fp32": bytes_text(4 * tokens * vocabulary),
                f"target rest <= {CHUNKS_ALLOWED} chunks": verdict(peak - gradients <= CHUNKS_ALLOWED * chunk),
            }
        )
    notes = [
        f"Vocabulary {vocabulary:,}, hidden size {hidden} (small, so that the logits are what is measured), fp32; "
        f"a chunk is {chunk // 4 // vocabulary} tokens, {bytes_text(chunk)} of fp32 logits.",
        "Every tensor that an operator returns is followed; scratch space inside an operator is not.",
    ]
    return Table("Peak memory of the loss", rows, notes)
