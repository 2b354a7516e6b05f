"""How fast a run is: operations per second of each process, and their share of what its device can do.

Model FLOPs utilization (MFU) is unknown (None) on a device whose peak is not listed, as on every CPU.
"""

import resource

import torch

from megatron_cdt.engine.device import has_gpu

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
