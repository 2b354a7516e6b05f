"""How much a run computes and how fast: operations of a step, and their share of what a device can do.

Model FLOPs utilization (MFU) is unknown (None) on a device whose peak is not listed, as on every CPU.
"""

import resource

import torch

from contracts.packs import PackReader
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.device import has_gpu
from megatron_cdt.objectives.objective import row_work
from megatron_cdt.objectives.registry import objective_class
from megatron_cdt.objectives.row import NO_LABEL, WholeRow, whole_row
from megatron_cdt.training.data_order import rows_of_step
from megatron_cdt.training.memory import adapter_parameters
from megatron_cdt.training.settings import TrainSettings

# Part of the device's name: dense TFLOP/s of bf16 and of fp32 without TF32, from NVIDIA's data sheets. First match.
PEAK_TFLOPS = {
    "H100 PCIe": {"bfloat16": 756.0, "float32": 51.0},
    "H100 NVL": {"bfloat16": 835.0, "float32": 60.0},
    "H100": {"bfloat16": 989.0, "float32": 67.0},
    "H200": {"bfloat16": 989.0, "float32": 67.0},
    "GH200": {"bfloat16": 989.0, "float32": 67.0},
    "A100": {"bfloat16": 312.0, "float32": 19.5},
    "L40S": {"bfloat16": 362.0, "float32": 91.6},
    "B200": {"bfloat16": 2250.0},
}


def step_flops(architecture: Architecture, pack: PackReader, settings: TrainSettings, step: int) -> float:
    """Operations of an optimizer step, over all processes; a row without labels is not computed."""
    rows = rows_of_step(step, num_rows=len(pack), batch_rows=settings.global_batch_rows, seed=settings.seed)
    wholes = (whole_row(pack.row(index)) for index in rows)
    return sum(row_flops(architecture, row, settings) for row in wholes if (row.labels_N != NO_LABEL).any())


def row_flops(architecture: Architecture, row: WholeRow, settings: TrainSettings) -> float:
    """Operations of one row's step, over all processes that share it.

    With LoRA the one pass that learns makes no gradient of a frozen matrix, and A and B have theirs; what they add to a
    method's other passes, under a hundredth of those, is left out.
    """
    method, lora = objective_class(settings.method), settings.lora
    whole = method.row_flops(architecture, row, settings.section)
    if lora is None:
        return whole
    step, tokens = row_work(architecture, row), sum(tokens for _, tokens in row.segments())
    head_learns = lora.train_embeddings and architecture.tie_word_embeddings
    updates = 6 * adapter_parameters(architecture, lora, tensor=1, pipeline=1) * tokens
    return whole - step.linear - (0 if head_learns else step.head) + updates


def device_peak_tflops(dtype: str) -> float | None:
    """The dense peak of this process's device in TFLOP/s, or None where it is not known."""
    return peak_of(torch.cuda.get_device_name(), dtype) if has_gpu() else None


def peak_of(device_name: str, dtype: str) -> float | None:
    """The listed peak of a device by its name."""
    return next((peaks.get(dtype) for part, peaks in PEAK_TFLOPS.items() if part in device_name), None)


def utilization(tflops_per_second: float, peak: float | None) -> float | None:
    """MFU: the share of the peak that the model's own operations took."""
    return tflops_per_second / peak if peak else None


def peak_memory_bytes() -> int:
    """The most memory that this process has held: of its GPU, or resident without one."""
    if has_gpu():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
