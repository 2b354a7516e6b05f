"""Checkpoints of a training run, what is in them and how they are read; saving.py writes them.

<run folder>/checkpoints/step-00000100/: Megatron dist_checkpointing's files, progress.json, digests.json.
No random state is kept: the run draws no random number.
Invariant: loading gives back every bit of weights, Adam moments and step counts.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from megatron.core.dist_checkpointing.dict_utils import nested_values
from megatron.core.dist_checkpointing.mapping import ShardedTensor
from megatron.core.distributed import DistributedDataParallel
from megatron.core.optimizer import MegatronOptimizer
from megatron.core.process_groups_config import ProcessGroupCollection

from contracts.fingerprint import sha256_file
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.checkpoint import load_own_tensors, model_state, read_checkpoint, trained_part
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
    # With LoRA: the checkpoint with the weights that are not trained, and the digest of its content.
    start: Path | None = None
    start_sha256: str | None = None


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    step: int = 0  # optimizer steps done
    consumed_rows: int = 0
    consumed_tokens: int = 0  # real tokens, over all processes


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
    """What Megatron saves and loads: this rank's shards of the trained weights and of Adam's state."""
    model, lora = model_state(state.ddp.module, state.groups), state.ddp.module.lora
    if lora:
        model = trained_part(model, state.ddp.module, lora)
    optimizer = state.optimizer.sharded_state_dict(model, is_loading, metadata=SHARDING)
    cut_padding(optimizer)
    return model | {"optimizer": optimizer}


def cut_padding(optimizer_state: dict) -> None:
    """Shorten the padding that sticks out of Adam's buffers, in place.

    Megatron 0.16 fills a buffer up to its padded end where its last weight is followed by a shared embedding and is no
    multiple of 64 numbers (as an A of rank 3 may be), but says that the buffer ends before that.
    """
    for part in nested_values(optimizer_state):
        if isinstance(part, ShardedTensor) and len(part.global_shape) == 1:
            excess = part.global_offset[0] + part.local_shape[0] - part.global_shape[0]
            if excess > 0:
                part.data = part.data[:-excess]
                part.local_shape = tuple(part.data.shape)


def read_state(checkpoint: Path, state: TrainingState, step: int) -> None:
    """Fill the model and the optimizer from a checkpoint that the same layout wrote after `step` steps."""
    load_own_tensors(state.ddp.module, checkpoint, state.groups)
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
