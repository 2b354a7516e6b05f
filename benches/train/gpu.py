"""The step of an 8B-shaped model on a GPU: tokens/s, TFLOP/s, MFU, peak memory, CDT over CE, by row length.

    python -m benches.train --gpu [--lengths 8192,32768] [--recompute full]
    python -m benches.train --gpu --tiny        (a toy on whatever device there is: shows that the bench runs)

Random weights in bf16 with an fp32 residual stream, as denoising trains; TransformerEngine's layers and attention
where it is installed. TFLOP/s and MFU count what the maths needs for real tokens (causal pairs, sum of L_i^2 / 2, no
padding; nothing that recomputation does again; detection counts in a CDT step). Forward and backward of one row; the
optimizer and communication between GPUs are not part of it. Where TransformerEngine is installed, CDT is measured with
FP8 detection too (up to 32K tokens), and how many of the row's tokens its mask sees as the exact one does.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

from benches.train.cases import SEED, RowShape, build_row, denoising_step, plain_step, scaled_llama
from benches.train.flops import MODEL_ATTENTION_BACKWARD, ForwardFlops, least_flops, least_ratio
from benches.train.report import Table, bytes_text
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.model import LanguageModel, ModelOptions, build_model
from megatron_cdt.engine.options import Recompute
from megatron_cdt.engine.transformer_engine import uses_transformer_engine
from megatron_cdt.objectives.cdt import DETECTION_IN_FP8, CdtSettings
from megatron_cdt.objectives.cdt.objective import detect
from megatron_cdt.objectives.row import LocalRow
from megatron_cdt.training.measured_speed import LLAMA_3_8B
from megatron_cdt.training.throughput import device_peak_tflops

FP8 = "cdt, fp8 detection"
LENGTHS = (8192, 32768, 65536, 131072)
# The agreement of the masks takes two more detections, which are long for longer rows.
LONGEST_FP8 = 32768
# A step that takes so long is timed as it comes first: what warms up takes a second or two.
LONG_SECONDS = 10.0
# Without recomputation 32 layers keep some 5 MB a token, 41 GB at 8K tokens, beside 32 GB of weights and gradients.
LONGEST_WITHOUT_RECOMPUTATION = 8192


@dataclass(frozen=True)
class Measured:
    """One step's median seconds and the most memory it took (None without a GPU)."""

    seconds: float
    peak_bytes: int | None


def measure(work: Callable[[], object], repetitions: int) -> Measured:
    """The median time of `work` after one warm-up; of a long one, the first; NaN where memory does not suffice."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        first = seconds_of(work)
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return Measured(math.nan, None)
    seconds = [first] if first > LONG_SECONDS else [seconds_of(work) for _ in range(repetitions)]
    return Measured(
        statistics.median(seconds), torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    )


def seconds_of(work: Callable[[], object]) -> float:
    """Wall-clock seconds, the device's queue empty at both ends."""
    wait = torch.cuda.synchronize if torch.cuda.is_available() else lambda: None
    wait()
    begin = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - begin


def device_tables(
    groups, *, lengths: list[int] | None, recompute: Recompute | None, tiny: bool, repetitions: int
) -> Iterator[Table]:
    """CE and CDT by length, the table anew after each; `recompute` None: none up to 8K tokens, full above."""
    architecture = scaled_llama(hidden=128, layers=2, vocabulary=512) if tiny else LLAMA_3_8B
    peak = device_peak_tflops("bfloat16")
    title = "A toy in place of the 8B-shaped model" if tiny else "An 8B-shaped model"
    rows, model, built = [], None, None
    for tokens in lengths or ([64, 128] if tiny else LENGTHS):
        option = recompute or ("none" if tokens <= LONGEST_WITHOUT_RECOMPUTATION else "full")
        if option != built:
            model = None  # before the next one takes its place in memory
            model, built = random_model(architecture, groups, option), option
        rows += length_rows(model, architecture, tokens, option, groups, peak=peak, repetitions=repetitions)
        yield Table(title, rows, notes(architecture, peak, repetitions))


def notes(architecture: Architecture, peak: float | None, repetitions: int) -> list[str]:
    """What stands below the table."""
    layers = "TransformerEngine" if uses_transformer_engine(torch.bfloat16) else "megatron-core's local layers"
    return [
        f"{architecture.num_layers} layers of width {architecture.hidden_size}, vocabulary "
        f"{architecture.vocab_size:,}, random weights, bf16 with fp32 residual; {layers}; one document a row; "
        f"median of {repetitions} after one warm-up (a step of more than {LONG_SECONDS:g} s: one, without its own "
        f"warm-up); forward and backward, no optimizer, no communication.",
        "TFLOP/s and MFU: causal pairs of real tokens only, recomputation not counted, detection counted for CDT; "
        f"MFU against {f'{peak:g} TFLOP/s' if peak else 'no known peak: n/a'}.",
    ]


@torch.no_grad()
def random_model(architecture: Architecture, groups, recompute: Recompute) -> LanguageModel:
    """Weights drawn where they are: to draw 8 billion on the CPU would take longer than the bench."""
    model = build_model(
        architecture,
        groups,
        ModelOptions(dtype=torch.bfloat16, fp32_residual=True, recompute=recompute, initialize=False),
    )
    torch.manual_seed(SEED)
    for parameter in model.parameters():
        if parameter.dim() == 1:
            parameter.fill_(1.0)
        else:
            parameter.normal_(0.0, architecture.initializer_range)
    return model


def length_rows(
    model: LanguageModel,
    architecture: Architecture,
    tokens: int,
    recompute: Recompute,
    groups,
    *,
    peak: float | None,
    repetitions: int,
) -> list[dict[str, object]]:
    """The two rows of one length; NaN where a step does not fit into memory."""
    shape = RowShape("one document", (tokens,))
    row = build_row(shape, architecture.vocab_size, groups)
    forward = ForwardFlops.of(architecture, shape, row.num_labels, causal_half=True)
    least = least_ratio(architecture, shape, row.num_labels, causal_half=True, recompute=recompute)
    rows, plain_seconds = [], math.nan
    steps = {"ce": plain_step(groups), "cdt": denoising_step(groups)}
    if uses_transformer_engine(torch.bfloat16) and tokens <= LONGEST_FP8:
        steps[FP8] = denoising_step(groups, CdtSettings(detection_precision="fp8"))
    for method, step in steps.items():
        measured = measure(partial(step, model, row), repetitions)
        if method == "ce":
            plain_seconds = measured.seconds
        needed = least_flops(forward, denoising=method != "ce", attention_backward=MODEL_ATTENTION_BACKWARD)
        rate = needed / measured.seconds / 1e12
        rows.append(
            {
                "tokens": tokens,
                "method": method,
                "recompute": recompute,
                "s": measured.seconds,
                "tokens/s": tokens / measured.seconds,
                "TFLOP/s": rate,
                "MFU": f"{rate / peak:.1%}" if peak else "n/a",
                "peak memory": bytes_text(measured.peak_bytes) if measured.peak_bytes else "n/a",
                "time / CE": measured.seconds / plain_seconds,
                "least / CE": 1.0 if method == "ce" else least,
                "mask as exact": f"{mask_agreement(model, row, groups):.2%}" if method == FP8 else "",
            }
        )
    return rows


def mask_agreement(model: LanguageModel, row: LocalRow, groups) -> float:
    """The share of a row's tokens that detection in FP8 and in the model's dtype call the same."""
    masks = [
        detect(model, row, model.embed(row.input_ids_T), reduction="sum", groups=groups, fp8=fp8).noise_T
        for fp8 in (None, DETECTION_IN_FP8)
    ]
    return (masks[0] == masks[1]).double().mean().item()
