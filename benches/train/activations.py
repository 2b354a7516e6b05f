"""Bytes that a forward pass keeps for its backward pass: training against detection (frozen weights).

Counted with torch.autograd.graph.saved_tensors_hooks: every storage once, however many tensors view it; parameters
are not counted, nor what the loss keeps of the head's weight gradient (a matrix of the head's shape: it is no
activation, detection has none, and it would flatter the ratio).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from benches.train.cases import RowShape, build_bench_model, build_row
from benches.train.report import Table, verdict
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.model import LanguageModel, ModelOptions
from megatron_cdt.objectives.cdt.objective import frozen
from megatron_cdt.objectives.cross_entropy import summed_cross_entropy
from megatron_cdt.objectives.row import LocalRow

TARGET = 0.6


def saved_bytes(model: torch.nn.Module, forward: Callable[[], Tensor]) -> int:
    """Bytes that autograd holds when `forward` has run, parameters and their gradients excluded."""
    parameters = list(model.parameters())
    held = {parameter.untyped_storage().data_ptr() for parameter in parameters}
    shapes = {parameter.shape for parameter in parameters if parameter.dim() == 2}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in held and tensor.shape not in shapes:
            # Held until the end, so that no later tensor gets its address.
            kept.setdefault(address, tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = forward()
    total = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    del loss
    return total


def training_bytes(model: LanguageModel, row: LocalRow, groups) -> int:
    """What the training pass keeps."""
    return saved_bytes(model, lambda: summed_cross_entropy(model, model.embed(row.input_ids_T), row, groups))


def detection_bytes(model: LanguageModel, row: LocalRow, groups) -> int:
    """What the detection pass keeps."""
    with frozen(model):
        leaf_TBH = model.embed(row.input_ids_T).detach().requires_grad_()
        return saved_bytes(model, lambda: summed_cross_entropy(model, leaf_TBH, row, groups))


def saved_table(architecture: Architecture, shapes: list[RowShape], groups) -> Table:
    """Both passes in fp32 and in bf16 (with the fp32 residual stream that denoising wants)."""
    rows = []
    for dtype in (torch.float32, torch.bfloat16):
        options = ModelOptions(dtype=dtype, fp32_residual=dtype is torch.bfloat16)
        model = build_bench_model(architecture, groups, options)
        for shape in shapes:
            row = build_row(shape, architecture.vocab_size, groups)
            training, detection = (measure(model, row, groups) for measure in (training_bytes, detection_bytes))
            layers_and_tokens = shape.tokens * architecture.num_layers
            rows.append(
                {
                    "row": shape.name,
                    "dtype": str(dtype).removeprefix("torch."),
                    "training MiB": training / 2**20,
                    "detection MiB": detection / 2**20,
                    "training bytes/token/layer": training // layers_and_tokens,
                    "detection bytes/token/layer": detection // layers_and_tokens,
                    "detection / training": detection / training,
                    f"target <= {TARGET}": verdict(detection <= TARGET * training),
                }
            )
    notes = [
        f"{architecture.num_layers} layers of width {architecture.hidden_size}, no recomputation; parameters and the "
        "head's weight gradient excluded, each storage counted once.",
        "The less training keeps, the nearer the ratio comes to 1: a training pass that keeps only what it must (norm "
        "inputs and outputs, q, k, v, attention's output, gate, up and their product) has 0.68 for these proportions.",
    ]
    return Table("Activations kept for the backward pass", rows, notes)
