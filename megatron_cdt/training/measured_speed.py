"""How fast a training will be: the share of a GPU's peak that was measured, and what a layout makes of it.

in : docs/benchmarks/train-gpu.json: an 8B shape on one H200, bf16, one document a row
The peak's share that is *reached* counts what the model asks for (MFU). The share that is *worked* counts what is
computed again to save memory too; it hardly depends on how much that is, so it carries over to other recomputation.
Not counted, because it was not measured: communication between GPUs, and the optimizer.
"""

import json
from pathlib import Path

import numpy as np

from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.options import Recompute
from megatron_cdt.objectives.registry import objective_class
from megatron_cdt.objectives.row import WholeRow
from megatron_cdt.objectives.work import Work, forward_work
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.throughput import peak_of, row_flops

MEASURED = Path(__file__).resolve().parents[2] / "docs/benchmarks/train-gpu.json"
TERA = 1e12
# What was measured.
LLAMA_3_8B = Architecture(
    vocab_size=128256,
    hidden_size=4096,
    num_layers=32,
    num_attention_heads=32,
    num_key_value_heads=8,
    head_dim=128,
    ffn_hidden_size=14336,
    max_position_embeddings=131072,
    rope_theta=500000.0,
    dtype="bfloat16",
)


def measured_share(tokens: int) -> float:
    """The share of an H200's bf16 peak that cross-entropy reached in rows of so many tokens.

    Between the measured lengths by the logarithm of the length; beyond them that of the nearest.
    """
    lengths, shares = zip(*((row["tokens"], reached(row)) for row in measured_rows()), strict=True)
    return float(np.interp(np.log2(tokens), np.log2(lengths), shares))


def worked_share(tokens: int) -> float:
    """The same share with what was computed again counted as work."""
    points = []
    for row in measured_rows():
        work = forward_work(LLAMA_3_8B, [row["tokens"]], row["tokens"])
        again = repeated(work, row["recompute"])
        points.append((row["tokens"], reached(row) * (work.training + again) / work.training))
    lengths, shares = zip(*points, strict=True)
    return float(np.interp(np.log2(tokens), np.log2(lengths), shares))


def measured_rows() -> list[dict]:
    """The measurements of cross-entropy, by ascending length."""
    tables = json.loads(MEASURED.read_text(encoding="utf-8"))["tables"]
    return [row for row in tables[0]["rows"] if row["method"] == "ce"]


def reached(row: dict) -> float:
    """The share of the peak in one measurement."""
    return row["TFLOP/s"] / peak_of("H200", "bfloat16")


def repeated(work: Work, recompute: Recompute) -> float:
    """Operations that one backward pass computes again: all of the layers' forward, the attention's, or nothing."""
    return {"full": work.linear + work.attention, "selective": work.attention, "none": 0.0}[recompute]


def labelled_row(length: int) -> WholeRow:
    """A row that is one text of so many tokens, each of them to be predicted."""
    ones = np.ones(length, dtype=np.int64)
    return WholeRow(ones, ones, ones.astype(bool), [length])


def tokens_per_second(architecture: Architecture, settings: TrainSettings, row_tokens: int, gpu_peak: float) -> float:
    """Tokens per second over all GPUs of a run on rows of one document; `gpu_peak` in FLOP/s.

    A pipeline idles while it fills and empties. A method that detects has a second backward pass.
    """
    row = labelled_row(row_tokens)
    of_method = objective_class(settings.method).row_flops(architecture, row, settings.section)
    work = forward_work(architecture, [row_tokens], row_tokens)
    backward_passes = 2 if of_method >= work.training + work.detection else 1
    operations = row_flops(architecture, row, settings) + backward_passes * repeated(work, settings.recompute)
    layout = settings.layout
    rows = settings.global_batch_rows // layout.data_parallel
    busy = rows / (rows + layout.pipeline - 1)
    return layout.processes * gpu_peak * worked_share(row_tokens) * busy * row_tokens / operations
