"""Saving a run's checkpoints: at once, or by a thread while training goes on.

A save has three parts. All processes plan it; each writes and hashes its own files, without communication, so that a
thread can do it; all complete it: index, digests, progress, and the name. In the background the plan ends with a
copy of the state in the host's memory, and the save is completed after a later step, when every process has written.
Invariants: the rename is the commit, so a kill at any moment leaves the earlier checkpoints as they were; what is
saved is the state of the step, bit for bit, however far training has gone on; one save is under way at a time.
"""

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist

from contracts.files import replace_folder
from contracts.fingerprint import sha256_file
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.checkpoint import ARCHITECTURE_NAME, complete_folder, writing
from megatron_cdt.engine.checkpoint_writer import PlannedSave, plan_save
from megatron_cdt.engine.device import device, megatron_calls
from megatron_cdt.engine.lora.record import LORA_NAME, record_text
from megatron_cdt.training.checkpoint import (
    DIGESTS,
    PROGRESS,
    Progress,
    TrainingState,
    checkpoints_in,
    gather,
    sharded_state,
)

# sha256 by name of the files that a process wrote; or why it could not.
Written = dict[str, str] | OSError


@dataclass(frozen=True)
class Save:
    """A checkpoint on its way."""

    target: Path  # the folder's name once it is whole
    planned: PlannedSave
    architecture: Architecture
    progress: Progress
    lora: str | None  # the text of lora.json, where there are adapters

    @property
    def unfinished(self) -> Path:
        """The folder's name until then."""
        return self.target.with_name(f"{self.target.name}.tmp")


class CheckpointSaver:
    """Writes step-NNNNNNNN into a folder and keeps the newest `keep`; all processes call its methods together.

    Raises InputError, on every process, where a checkpoint cannot be written.
    """

    def __init__(self, folder: Path, *, keep: int, in_background: bool) -> None:
        self.folder, self.keep = folder, keep
        self.writer = ThreadPoolExecutor(max_workers=1) if in_background else None
        self.under_way: tuple[Save, Future[Written]] | None = None

    def save(self, state: TrainingState, progress: Progress) -> None:
        """Save the state; in the background it returns when the state has been copied."""
        self.finish()
        save = plan(self.folder, state, progress)
        if self.writer is None:
            complete(save, write_own_files(save), self.keep)
            return
        save.planned.stage()
        self.under_way = save, self.writer.submit(write_own_files, save)

    def complete_if_written(self) -> None:
        """Complete the save that is under way, if every process has written its files."""
        if self.under_way:
            written = torch.tensor(int(self.under_way[1].done()), device=device())
            dist.all_reduce(written, op=dist.ReduceOp.MIN)
            if written.item():
                self.finish()

    def finish(self) -> None:
        """Wait for the save that is under way, and complete it."""
        if self.under_way:
            (save, written), self.under_way = self.under_way, None
            complete(save, written.result(), self.keep)


def plan(folder: Path, state: TrainingState, progress: Progress) -> Save:
    """Make the folder and share the state out over its files; what killed saves left behind is removed."""
    target = folder / f"step-{progress.step:08d}"
    unfinished = target.with_name(f"{target.name}.tmp")
    with writing(target):
        first_rank_alone(lambda: (remove_leftovers(folder), unfinished.mkdir(parents=True)))
        with megatron_calls():
            planned = plan_save(sharded_state(state), unfinished)
    return Save(target, planned, state.architecture, progress, lora_text(state, target))


def lora_text(state: TrainingState, target: Path) -> str | None:
    """What is said of the adapters beside the checkpoint `target`."""
    lora = state.ddp.module.lora
    return record_text(lora, target, state.start, state.start_sha256) if lora else None


def write_own_files(save: Save) -> Written:
    """Write and hash this process's files; no communication, and no exception for what a disk can do."""
    try:
        save.planned.write()
        own = f"__{dist.get_rank()}_"
        return {path.name: sha256_file(path) for path in sorted(save.unfinished.glob(f"{own}*"))}
    except OSError as error:
        return error


def complete(save: Save, written: Written, keep: int) -> None:
    """Give the checkpoint its index, digests, progress and name, then drop all but the newest `keep`."""
    with writing(save.target):
        digests = {}
        for part in gather(written):
            if isinstance(part, OSError):
                raise part
            digests |= part
        with megatron_calls():
            save.planned.finish()
        first_rank_alone(partial(give_name, save, digests, keep))


def first_rank_alone(work: Callable[[], object]) -> None:
    """Do `work` on rank 0 while all wait; what the disk refuses there is raised everywhere, so that none hangs."""
    refusal = None
    if dist.get_rank() == 0:
        try:
            work()
        except OSError as error:
            refusal = error
    if refusal := gather(refusal)[0]:
        raise refusal


def give_name(save: Save, digests: dict[str, str], keep: int) -> None:
    """What rank 0 does when all have written."""
    unfinished, folder = save.unfinished, save.target.parent
    shared = [path for path in sorted(unfinished.iterdir()) if not path.name.startswith("__")]
    digests = digests | {path.name: sha256_file(path) for path in shared}
    complete_folder(unfinished, save.architecture, partial(add_progress, save=save, digests=digests))
    replace_folder(unfinished, save.target)
    sync_folder(folder)
    for old in checkpoints_in(folder)[keep:]:
        discard(old)


def add_progress(folder: Path, *, save: Save, digests: dict[str, str]) -> None:
    """Add how far the run is, which adapters it has, and what every file must hash to."""
    (folder / PROGRESS).write_text(json.dumps(asdict(save.progress)) + "\n", encoding="utf-8")
    if save.lora:
        (folder / LORA_NAME).write_text(save.lora, encoding="utf-8")
    added = (PROGRESS, ARCHITECTURE_NAME, *([LORA_NAME] if save.lora else []))
    digests = digests | {name: sha256_file(folder / name) for name in added}
    (folder / DIGESTS).write_text(json.dumps(digests, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def sync_folder(folder: Path) -> None:
    """Force the names in a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def discard(checkpoint: Path) -> None:
    """Remove a checkpoint; it loses its name first, so that half of it is never taken for a whole one."""
    condemned = checkpoint.with_name(f"{checkpoint.name}.tmp")
    os.replace(checkpoint, condemned)
    shutil.rmtree(condemned)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed saves and killed removals left behind."""
    for path in folder.glob("step-*.tmp*"):
        shutil.rmtree(path)
