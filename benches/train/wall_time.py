"""Wall time of our CDT step against a plain transformers implementation of the same step.

Same weights, rows and threads, one process, fp32; forward and backward without the optimizer (it is the same work).
The two take turns (ours, plain, plain, ours, ...), so that a machine whose speed drifts drifts for both; the ratio is
taken pair by pair. CPU seconds stand beside wall seconds: on a busy machine they are the steadier figure.
Before a case is timed, both have run once and their losses agree.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benches.train.cases import RowShape, build_bench_model, build_row, denoising_step, whole_row
from benches.train.plain_cdt import build_plain_model, plain_cdt_step, plain_inputs
from benches.train.report import Table, verdict
from megatron_cdt.architecture import Architecture
from megatron_cdt.objectives.cdt import CdtSettings

LOSS_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Seconds:
    """What one call took."""

    wall: float
    cpu: float  # of all threads of this process


def interleaved_seconds(first: Callable, second: Callable, repetitions: int) -> list[tuple[Seconds, Seconds]]:
    """What (first, second) took, pair by pair; who begins changes from pair to pair."""
    pairs = []
    for repetition in range(repetitions):
        if repetition % 2 == 0:
            pairs.append((seconds_of(first), seconds_of(second)))
        else:
            pairs.append((seconds_of(second), seconds_of(first))[::-1])
    return pairs


def seconds_of(work: Callable) -> Seconds:
    """Time one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def wall_time_table(architecture: Architecture, shapes: list[RowShape], groups, *, repetitions: int) -> Table:
    """One row a case, medians and pairwise ratio."""
    ours, plain = build_bench_model(architecture, groups), build_plain_model(architecture)
    settings = CdtSettings()
    step = denoising_step(groups, settings)
    rows = []
    for shape in shapes:
        row = build_row(shape, architecture.vocab_size, groups)
        inputs = plain_inputs(whole_row(shape, architecture.vocab_size))
        our_loss = step(ours, row).item() / row.num_labels
        plain_loss = plain_cdt_step(plain, inputs, settings).item()
        if abs(our_loss - plain_loss) > LOSS_TOLERANCE * plain_loss:
            raise AssertionError(f"{shape.name}: not the same step, loss {our_loss} against {plain_loss}")
        pairs = interleaved_seconds(
            partial(step, ours, row), partial(plain_cdt_step, plain, inputs, settings), repetitions
        )
        rows.append(timed_row(shape, row.num_labels, pairs, (our_loss, plain_loss)))
    notes = [
        f"{architecture.num_layers} layers of width {architecture.hidden_size}, vocabulary "
        f"{architecture.vocab_size:,}, fp32; {repetitions} pairs after one warm-up, in turns; medians.",
        "Forward and backward without the optimizer; the plain step uses SDPA and whole logits.",
    ]
    return Table("Wall time of a CDT step", rows, notes)


def timed_row(shape: RowShape, labels: int, pairs: list[tuple[Seconds, Seconds]], losses: tuple[float, float]) -> dict:
    """Medians of both sides; ratio plain / ours of each pair, its median and range."""
    wall = sorted(plain.wall / ours.wall for ours, plain in pairs)
    cpu = sorted(plain.cpu / ours.cpu for ours, plain in pairs)
    return {
        "row": shape.name,
        "tokens": shape.tokens,
        "labels": labels,
        "ours s": statistics.median(ours.wall for ours, _ in pairs),
        "transformers s": statistics.median(plain.wall for _, plain in pairs),
        "times faster": statistics.median(wall),
        "range": f"{wall[0]:.2f} to {wall[-1]:.2f}",
        "in CPU time": statistics.median(cpu),
        "its range": f"{cpu[0]:.2f} to {cpu[-1]:.2f}",
        "loss difference": abs(losses[0] - losses[1]) / losses[1],
        "target faster": verdict(statistics.median(wall) > 1),
    }
