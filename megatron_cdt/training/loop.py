"""The training loop: steps, records, checkpoints, validations, and stopping in good order.

in : a state at some progress, packs, a run folder that this process may write
out: the state after the last step; metrics.jsonl, validation.jsonl, timing.jsonl, checkpoints/
Invariant: at any moment the folder on disk can be gone on with, and then ends with the same bytes.
SIGTERM (schedulers, Kubernetes, torchrun) and SIGUSR1 (Slurm's --signal=USR1@120) ask to save and stop: the end of the
step answers, and the exit code says "run me again".
"""

import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from megatron.core.process_groups_config import ProcessGroupCollection
from tqdm import tqdm

from contracts.packs import PackReader
from megatron_cdt.engine.checkpoint import CHECKPOINTS_NAME
from megatron_cdt.engine.device import device
from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.engine.parallel import sum_over
from megatron_cdt.engine.pipeline import is_last_stage
from megatron_cdt.objectives.ce import CrossEntropy
from megatron_cdt.objectives.objective import own_labels
from megatron_cdt.objectives.registry import objective_class
from megatron_cdt.objectives.row import local_row
from megatron_cdt.stop_signals import STOP_SIGNALS
from megatron_cdt.training.checkpoint import Progress, TrainingState
from megatron_cdt.training.data_order import turn_of_rank
from megatron_cdt.training.report import Reporter
from megatron_cdt.training.saving import CheckpointSaver
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.sinks import open_sinks
from megatron_cdt.training.step import NotFiniteError, train_step
from megatron_cdt.training.throughput import device_peak_tflops, step_flops


@dataclass(frozen=True)
class Run:
    """What a run is made of."""

    settings: TrainSettings
    folder: Path
    pack: PackReader
    validation: PackReader | None
    state: TrainingState


class StopRequest:
    """Whether some process of the run was asked to stop."""

    def __init__(self) -> None:
        self.asked = False
        for number in STOP_SIGNALS:
            signal.signal(number, self.ask)

    def ask(self, *_signal) -> None:
        """Note the wish; the loop sees to it after the step."""
        self.asked = True

    def by_any_rank(self) -> bool:
        """The same answer on every rank (all processes call this)."""
        flag = torch.tensor(int(self.asked), device=device())
        dist.all_reduce(flag, op=dist.ReduceOp.MAX)
        return bool(flag.item())


def train(run: Run, progress: Progress, stop: StopRequest) -> bool:
    """Train from `progress` to the last step (all processes call this); False where a signal ended it early.

    Either way the last step that was taken has a checkpoint, which is whole when this returns.
    """
    settings = run.settings
    if stop.by_any_rank():
        # The checkpoint that the run has come from is still its newest one.
        return progress.step == settings.steps
    saver = CheckpointSaver(
        run.folder / CHECKPOINTS_NAME, keep=settings.keep_checkpoints, in_background=settings.checkpoint_async
    )
    with contextlib.closing(open_reporter(run, progress.step + 1)) as reporter:
        validate_if_due(run, progress.step, reporter)
        for step in progress_bar(progress.step, settings.steps):
            progress = step_and_report(run, step, progress, reporter, saver)
            stopping = stop.by_any_rank()
            if stopping or is_checkpoint_step(step, settings):
                # A checkpoint must never be ahead of the records on disk.
                reporter.sync()
                saver.save(run.state, progress)
            if stopping and step < settings.steps:
                break
            validate_if_due(run, step, reporter)
        saver.finish()
    return progress.step == settings.steps


def step_and_report(run: Run, step: int, progress: Progress, reporter: Reporter, saver: CheckpointSaver) -> Progress:
    """One optimizer step, its records, and the end of a save that was written meanwhile."""
    started = time.perf_counter()
    try:
        result = train_step(run.state, run.pack, run.settings, step, progress.consumed_tokens)
    except NotFiniteError:
        # All processes stop here together, and the state that is being saved is of an earlier, finite step.
        saver.finish()
        raise
    seconds = time.perf_counter() - started
    reporter.step(result, seconds, step_flops(run.state.architecture, run.pack, run.settings, step))
    saver.complete_if_written()
    return Progress(step, result.metrics["consumed_rows"], result.metrics["consumed_tokens"])


def open_reporter(run: Run, first_step: int) -> Reporter:
    """The records of the run and its sinks, which rank 0 alone has."""
    settings, names = run.settings, run.settings.sinks if dist.get_rank() == 0 else ()
    sinks = open_sinks(names, run.folder, settings.model_dump(mode="json"), first_step)
    method = objective_class(settings.method)
    return Reporter(run.folder, method, settings.steps, device_peak_tflops(settings.dtype), sinks)


def is_checkpoint_step(step: int, settings: TrainSettings) -> bool:
    """Every checkpoint_interval steps, and after the last."""
    return step % settings.checkpoint_interval == 0 or step == settings.steps


def is_validation_step(step: int, settings: TrainSettings) -> bool:
    """Every validation_interval steps, and after the last."""
    interval = settings.validation_interval
    return step == settings.steps or bool(interval and step and step % interval == 0)


def validate_if_due(run: Run, step: int, reporter: Reporter) -> None:
    """Record the held-back loss after `step`, unless it is not due or was recorded before a restart."""
    if run.validation is None or not is_validation_step(step, run.settings) or is_recorded(run.folder, step):
        return
    reporter.validation(step, validation_loss(run.state.ddp.module, run.validation, run.state.groups))


@torch.no_grad()
def validation_loss(model: LanguageModel, pack: PackReader, groups: ProcessGroupCollection) -> float:
    """Cross-entropy over every row of `pack`, whatever the method trains on (all processes call this)."""
    objective = CrossEntropy(groups)
    loss_and_labels = torch.zeros(2, dtype=torch.float64)
    for index in turn_of_rank(list(range(len(pack))), groups.dp.rank(), groups.dp.size()):
        row = local_row(pack.row(index), groups)
        if row.num_labels:
            loss_sum, _ = objective(model, row)
            loss_and_labels += torch.tensor([loss_sum.item(), own_labels(row)], dtype=torch.float64)
    if not is_last_stage(groups):
        loss_and_labels.zero_()
    loss, labels = sum_over(loss_and_labels.to(device()), groups.dp_cp, groups.pp).tolist()
    return loss / labels


def is_recorded(folder: Path, step: int) -> bool:
    """Whether validation.jsonl has this step already; rank 0 looks, so that all agree."""
    answer = [None]
    if dist.get_rank() == 0:
        lines = (folder / "validation.jsonl").read_text(encoding="utf-8").splitlines()
        answer = [any(json.loads(line)["step"] == step for line in lines)]
    dist.broadcast_object_list(answer, src=0)
    return answer[0]


def progress_bar(done: int, steps: int) -> Iterator[int]:
    """The steps that remain, with a bar on rank 0's terminal."""
    visible = dist.get_rank() == 0 and sys.stderr.isatty()
    return tqdm(range(done + 1, steps + 1), initial=done, total=steps, unit="step", disable=not visible)
