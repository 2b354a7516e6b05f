"""Comparing safetensors files: the largest difference of each tensor, relative to its largest element.

Read without torch, tensor by tensor, so that a model larger than the memory can be compared.
"""

import json
import struct
from pathlib import Path

import numpy as np

from workflow.audit.comparison.outcome import Outcome, Tolerance

DTYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16, "I64": np.int64, "I32": np.int32}


def compare_weights(artefact: str, first: Path, second: Path, tolerance: Tolerance) -> Outcome:
    """Two files of other bytes; an element counts relative to the largest of its tensor."""
    a, b = Weights(first), Weights(second)
    deviation = difference = None
    largest = 0.0
    for name in sorted(a.tensors.keys() | b.tensors.keys()):
        if a.description(name) != b.description(name):
            told = f"tensor {name}: {a.description(name)} -> {b.description(name)}"
            return Outcome(artefact, deviation or told, difference or told, largest)
        left, right = a.read(name), b.read(name)
        gap, scale = float(np.max(np.abs(left - right), initial=0)), float(np.max(np.abs(left), initial=0))
        if gap:
            told = f"tensor {name}: largest difference {gap!r}, largest element {scale!r}"
            deviation = deviation or told
            largest = max(largest, gap / scale if scale else np.inf)
            if gap > tolerance.relative * scale + tolerance.absolute:
                difference = difference or told
    return Outcome(artefact, deviation, difference, largest)


class Weights:
    """One safetensors file, memory-mapped."""

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as handle:
            (header_bytes,) = struct.unpack("<Q", handle.read(8))
            header = json.loads(handle.read(header_bytes))
        self.tensors = {name: told for name, told in header.items() if name != "__metadata__"}
        self.data = np.memmap(path, dtype=np.uint8, mode="r", offset=8 + header_bytes)

    def description(self, name: str) -> str:
        """dtype and shape of a tensor, or that there is none."""
        told = self.tensors.get(name)
        return f"{told['dtype']} {told['shape']}" if told else "absent"

    def read(self, name: str) -> np.ndarray:
        """A tensor's elements as fp64, flat; bf16 is the upper half of an fp32."""
        told = self.tensors[name]
        start, end = told["data_offsets"]
        values = self.data[start:end].view(DTYPES[told["dtype"]])
        if told["dtype"] == "BF16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        return values.astype(np.float64)
