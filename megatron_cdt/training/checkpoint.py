"""Checkpoints of a training run: model, distributed optimizer and progress, whole or not at all.

<run folder>/checkpoints/step-00000100/: Megatron dist_checkpointing's files, progress.json, digests.json.
Written under a temporary name, synced, digested, renamed: the rename is the commit, so a kill at any moment
leaves the earlier checkpoints as they were. No random state is kept: the run draws no random number.
Invariant: loading gives back every bit of weights, Adam moments and step counts.
"""

import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from megatron.core import dist_checkpointing
from megatron.core.distributed import DistributedDataParallel
from megatron.core.optimizer import MegatronOptimizer
from megatron.core.process_groups_config import ProcessGroupCollection

from contracts.files import replace_folder, sync_to_disk
from contracts.fingerprint import sha256_file
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.checkpoint import (
    ARCHITECTURE_NAME,
    complete_folder,
    load_model_checkpoint,
    model_state,
    read_checkpoint,
    writing,
)
from megatron_cdt.engine.checkpoint_writer import WriteInThisProcess
from megatron_cdt.engine.device import megatron_calls

DIGESTS = "digests.json"
PROGRESS = "progress.json"
# Each data/context rank writes its own share of Adam's state: no gathering, but the same layout must read it.
SHARDING = {"distrib_optim_sharding_type": "dp_reshardable"}


@dataclass(frozen=True)
class TrainingState:
    """What a step changes, and what describes it."""

    ddp: DistributedDataParallel
    optimizer: MegatronOptimizer
    architecture: Architecture
    groups: ProcessGroupCollection


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    step: int = 0  # optimizer steps done
    consumed_rows: int = 0
    consumed_tokens: int = 0  # real tokens, over all processes


def save_checkpoint(folder: Path, state: TrainingState, progress: Progress, *, keep: int) -> None:
    """Write step-NNNNNNNN into `folder` (all processes call this), then drop all but the newest `keep`.

    Raises InputError where it cannot be written.
    """
    target = folder / f"step-{progress.step:08d}"
    unfinished = target.with_name(f"{target.name}.tmp")
    leads = dist.get_rank() == 0
    with writing(target):
        if leads:
            remove_leftovers(folder)
            unfinished.mkdir(parents=True)
        dist.barrier()
        with megatron_calls():
            dist_checkpointing.save(sharded_state(state), str(unfinished), WriteInThisProcess())
        digests = merged(gather(digests_of(my_files(unfinished))))
        if leads:
            complete_folder(unfinished, state.architecture, partial(add_progress, progress=progress, digests=digests))
            replace_folder(unfinished, target)
            sync_folder(folder)
            for old in checkpoints_in(folder)[keep:]:
                discard(old)
        dist.barrier()


def load_newest_checkpoint(folder: Path, state: TrainingState) -> Progress | None:
    """Load the newest checkpoint that is whole (all processes call this); None where there is none.

    A torn or corrupted one is named on stderr and the one before it is used.
    """
    for candidate in gather(checkpoints_in(folder))[0]:
        fault = first_fault(candidate)
        if fault is None:
            progress = read_progress(candidate)
            read_state(candidate, state, progress.step)
            return progress
        if dist.get_rank() == 0:
            sys.stderr.write(f"warning: {candidate}: {fault}; the checkpoint before it is used\n")
    return None


def checkpoints_in(folder: Path) -> list[Path]:
    """The finished checkpoints of a run, newest first."""
    return sorted((path for path in folder.glob("step-*") if path.name[5:].isdigit()), reverse=True)


def read_progress(checkpoint: Path) -> Progress:
    """How far the run was when `checkpoint` was written."""
    return Progress(**json.loads((checkpoint / PROGRESS).read_text(encoding="utf-8")))


def sharded_state(state: TrainingState, *, is_loading: bool = False) -> dict:
    """What Megatron saves and loads: this rank's shards of the weights and of Adam's state."""
    model = model_state(state.ddp.module, state.groups)
    return model | {"optimizer": state.optimizer.sharded_state_dict(model, is_loading, metadata=SHARDING)}


def read_state(checkpoint: Path, state: TrainingState, step: int) -> None:
    """Fill the model and the optimizer from a checkpoint that the same layout wrote after `step` steps."""
    load_model_checkpoint(state.ddp.module, checkpoint, state.groups)
    allocate_adam_state(state.optimizer)
    # In fp32 the optimizer's weights are views of the model's, which autograd would not let anybody overwrite.
    with megatron_calls(), torch.no_grad():
        values = read_checkpoint(sharded_state(state, is_loading=True), checkpoint)
        state.optimizer.load_state_dict(values["optimizer"])
    restore_step_counts(state.optimizer, step)


def allocate_adam_state(optimizer: MegatronOptimizer) -> None:
    """Let Adam allocate its moments with a step on zero gradients; Megatron describes only what exists."""
    inner = optimizer.optimizer
    for group in inner.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    inner.step()
    inner.zero_grad()


def restore_step_counts(optimizer: MegatronOptimizer, step: int) -> None:
    """Tell torch's Adam how many steps it has taken, weight by weight.

    Megatron 0.16 loads the count of the dummy step instead, as one tensor that all weights would count up together.
    """
    for state in optimizer.optimizer.state.values():
        if isinstance(state.get("step"), torch.Tensor):
            state["step"] = torch.full_like(state["step"], step)


def my_files(checkpoint: Path) -> list[Path]:
    """The files that this rank wrote; rank 0 also has those that belong to nobody."""
    mine = f"__{dist.get_rank()}_"
    rank_0 = dist.get_rank() == 0
    files = sorted(path for path in checkpoint.iterdir() if path.is_file())
    return [path for path in files if path.name.startswith(mine) or (rank_0 and not path.name.startswith("__"))]


def digests_of(files: list[Path]) -> dict[str, str]:
    """sha256 by file name; each file is forced to disk first."""
    for path in files:
        sync_to_disk(path)
    return {path.name: sha256_file(path) for path in files}


def first_fault(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, or None; its files are shared out over the processes for reading."""
    return next((fault for fault in gather(fault_in_share(checkpoint)) if fault), None)


def fault_in_share(checkpoint: Path) -> str | None:
    """What is wrong with this rank's share of the files: absent, torn, or other bytes than were written."""
    try:
        digests = json.loads((checkpoint / DIGESTS).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return f"{DIGESTS} is absent or torn"
    for name in sorted(digests)[dist.get_rank() :: dist.get_world_size()]:
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is missing"
        if sha256_file(path) != digests[name]:
            return f"{name} is torn or corrupted"
    return None


def gather(value: object) -> list:
    """`value` of every process, in rank order."""
    values = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def merged(parts: list[dict[str, str]]) -> dict[str, str]:
    """One dict of all."""
    return {name: digest for part in parts for name, digest in part.items()}


def add_progress(folder: Path, *, progress: Progress, digests: dict[str, str]) -> None:
    """Add how far the run is, and what every file must hash to."""
    (folder / PROGRESS).write_text(json.dumps(asdict(progress)) + "\n", encoding="utf-8")
    digests = digests | {name: sha256_file(folder / name) for name in (PROGRESS, ARCHITECTURE_NAME)}
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
