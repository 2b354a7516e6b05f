"""Floating-point operations of a step: counted by torch, and the least that the maths allows.

Counted: torch.utils.flop_counter over the real step (a multiply-add is 2). It does not know the CPU's attention
kernel nor addmm_, so their formulas are given here. As torch does for every kernel, a causal block counts as its whole
rectangle of queries x keys; backward attention counts 5 products for forward's 2 (scores are computed again).
Least: cross-entropy is 1 forward + 2 backward for every matrix; detection adds a forward and the half of backward
that makes input gradients (weights are frozen), and a whole backward of attention (which has no weights).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch.utils.flop_counter import FlopCounterMode, mm_flop, sdpa_backward_flop_count, sdpa_flop_count

from benches.train.cases import RowShape, build_bench_model, build_row, denoising_step, plain_step
from benches.train.report import Table, verdict
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.options import Recompute
from megatron_cdt.training.measured_speed import LLAMA_3_8B

Shape = Sequence[int]
TARGET = 1.02
ATTENTION_BACKWARD = 2.5
# Megatron's convention for MFU: what a kernel computes again is not work that the model asked for.
MODEL_ATTENTION_BACKWARD = 2.0


def attention_forward(query: Shape, key: Shape, value: Shape, *_arguments, out_shape=None, **_named) -> int:
    """Operations of the CPU's attention kernel, from the shapes of its arguments."""
    return sdpa_flop_count(query, key, value)


def attention_backward(
    grad: Shape, query: Shape, key: Shape, value: Shape, *_arguments, out_shape=None, **_named
) -> int:
    """Operations of its gradient; torch's formula wants as many key/value heads as query heads."""
    heads = query[1]
    key, value = ((shape[0], heads, *shape[2:]) for shape in (key, value))
    return sdpa_backward_flop_count(grad, query, key, value)


def product_added_in_place(_total: Shape, left: Shape, right: Shape, *_arguments, out_shape=None, **_named) -> int:
    """Operations of total += left @ right."""
    return mm_flop(left, right)


# torch's counter knows the operators of GPUs, and addmm but not its in-place twin.
FORMULAS = {
    torch.ops.aten.addmm_: product_added_in_place,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention_forward,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: attention_backward,
}


def count_flops(work: Callable[[], object]) -> int:
    """Operations of everything that `work` runs, autograd's backward included."""
    with FlopCounterMode(display=False, custom_mapping=FORMULAS) as counter:
        work()
    return counter.get_total_flops()


@dataclass(frozen=True)
class ForwardFlops:
    """Operations of one forward pass by what their backward costs."""

    linear: float
    attention: float
    head: float

    @classmethod
    def of(cls, architecture: Architecture, shape: RowShape, labels: int, *, causal_half: bool) -> "ForwardFlops":
        """`causal_half` counts only the pairs that a causal mask leaves, L^2 / 2; else whole squares, L^2."""
        a = architecture
        projections = (a.num_attention_heads + 2 * a.num_key_value_heads) * a.head_dim * a.hidden_size
        output = a.num_attention_heads * a.head_dim * a.hidden_size
        matrices = a.num_layers * (projections + output + 3 * a.hidden_size * a.ffn_hidden_size)
        squares = sum(length**2 for length in shape.segments) * (0.5 if causal_half else 1)
        return cls(
            linear=2 * matrices * shape.tokens,
            attention=4 * squares * a.num_attention_heads * a.head_dim * a.num_layers,
            head=2 * a.vocab_size * a.hidden_size * labels,
        )


def least_flops(
    forward: ForwardFlops,
    *,
    denoising: bool,
    recompute: Recompute = "none",
    attention_backward: float = ATTENTION_BACKWARD,
) -> float:
    """Operations of one row's step. `full` runs every layer once more for each backward; `selective` attention only."""
    passes = 2 if denoising else 1
    linear = 5 if denoising else 3
    linear_again = passes if recompute == "full" else 0
    attention_again = 0 if recompute == "none" else passes
    return (
        (linear + linear_again) * forward.linear
        + linear * forward.head
        + (passes * (1 + attention_backward) + attention_again) * forward.attention
    )


def least_ratio(
    architecture: Architecture, shape: RowShape, labels: int, *, causal_half: bool, recompute: Recompute = "none"
) -> float:
    """CDT over CE: 5/3 for matrices, 2 for attention, in the mixture of this model and length."""
    forward = ForwardFlops.of(architecture, shape, labels, causal_half=causal_half)
    cdt, ce = (least_flops(forward, denoising=denoising, recompute=recompute) for denoising in (True, False))
    return cdt / ce


def counted_table(architecture: Architecture, shapes: list[RowShape], groups) -> Table:
    """CE and CDT steps of our engine, counted, beside the least."""
    model = build_bench_model(architecture, groups)
    rows = []
    for shape in shapes:
        row = build_row(shape, architecture.vocab_size, groups)
        ce, cdt = (count_flops(partial(step, model, row)) for step in (plain_step(groups), denoising_step(groups)))
        forward = ForwardFlops.of(architecture, shape, row.num_labels, causal_half=False)
        rows.append(
            {
                "row": shape.name,
                "labels": row.num_labels,
                "CE GFLOP": ce / 1e9,
                "CE / least": ce / least_flops(forward, denoising=False),
                "CDT GFLOP": cdt / 1e9,
                "CDT / least": cdt / least_flops(forward, denoising=True),
                "CDT / CE": cdt / ce,
                "least CDT / CE": least_ratio(architecture, shape, row.num_labels, causal_half=False),
                "target within 2 %": verdict(cdt <= TARGET * least_flops(forward, denoising=True)),
            }
        )
    notes = [
        f"Counted with torch.utils.flop_counter; {architecture.num_layers} layers of width {architecture.hidden_size}, "
        f"vocabulary {architecture.vocab_size:,}, fp32.",
        "Least: linear layers and head 5 for CE's 3; attention 2 for 1. A causal block counts as its whole square.",
    ]
    return Table("Operations of a CDT step over a CE step", rows, notes)


def expected_table(lengths: list[int]) -> Table:
    """The least ratio of an 8B model: arithmetic, not a measurement."""
    rows = []
    for length in lengths:
        shape = RowShape("one document", (length,))
        values: dict[str, object] = {"tokens": length}
        for title, labels in (("all labelled", length - 1), ("10 % labelled", round(0.1 * (length - 1)))):
            for recompute in ("none", "full"):
                values[f"{title}, recompute {recompute}"] = least_ratio(
                    LLAMA_3_8B, shape, labels, causal_half=True, recompute=recompute
                )
        rows.append(values)
    return Table(
        "Least CDT / CE for Llama-3-8B (arithmetic, not measured)",
        rows,
        ["Causal attention is half a square. Short rows tend to 5/3, long ones to 2 (full recomputation: 7/4, 2)."],
    )
