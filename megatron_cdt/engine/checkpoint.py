"""Megatron checkpoints (dist_checkpointing, torch_dist) that any layout of processes may read.

in : a model built by engine.model, its architecture and process groups
out: a folder with the model's tensors under keys `model.*`, architecture.json, and what `finish` adds
Invariants: the folder appears whole or not at all, however many processes write it; no tensor's value depends
on the layout that wrote or reads it. A checkpoint may hold more than `model.*` (a trainer's optimizer). With LoRA it
holds what is trained, and lora.json says where the rest is.
Every function that takes a model or a state is collective: all processes call it.
"""

import contextlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.distributed as dist
from megatron.core import dist_checkpointing
from megatron.core.dist_checkpointing.mapping import ShardedObject, ShardedTensor
from megatron.core.process_groups_config import ProcessGroupCollection
from torch.distributed.checkpoint.api import CheckpointException

from contracts.errors import InputError
from contracts.files import replace_folder, sync_to_disk
from contracts.fingerprint import sha256_files, sha256_value
from contracts.manifest import MANIFEST_NAME
from contracts.settings import validated
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.checkpoint_writer import plan_save
from megatron_cdt.engine.device import megatron_calls
from megatron_cdt.engine.lora import LoraSettings
from megatron_cdt.engine.lora.adapters import is_adapter, is_trained
from megatron_cdt.engine.lora.record import LoraRecord, read_record
from megatron_cdt.engine.model import LanguageModel
from megatron_cdt.engine.safe_pickle import known_classes_only

ARCHITECTURE_NAME = "architecture.json"
CHECKPOINTS_NAME = "checkpoints"
MODEL_PREFIX = "model."
# Written last by dist_checkpointing: without it a folder is no checkpoint.
METADATA_NAME = "metadata.json"
# torch puts a random save id into it: its hash would say that equal checkpoints differ.
UNSTABLE_NAME = ".metadata"


def model_state(model: LanguageModel, groups: ProcessGroupCollection) -> dict:
    """The model's sharded state under `model.*` keys: tensors only, so that reading unpickles no objects.

    A trainer puts its optimizer's sharded state beside it: {**model_state(...), "optimizer": ...}.
    """
    with megatron_calls():
        state = model.sharded_state_dict(prefix=MODEL_PREFIX, metadata={"dp_cp_group": groups.dp_cp})
    return {key: value for key, value in state.items() if not isinstance(value, ShardedObject)}


def save_model_checkpoint(
    model: LanguageModel,
    architecture: Architecture,
    folder: str | Path,
    groups: ProcessGroupCollection,
    finish: Callable[[Path], None] | None = None,
) -> None:
    """Write the weights alone; `finish` (process 0 only) may add files before the folder gets its name."""
    write_checkpoint(model_state(model, groups), architecture, folder, finish)


def write_checkpoint(
    state: dict, architecture: Architecture, folder: str | Path, finish: Callable[[Path], None] | None = None
) -> None:
    """Write any sharded state as a checkpoint folder; an older folder of that name is replaced.

    Raises InputError where the folder cannot be written.
    """
    folder = Path(folder)
    # One name that every process knows; a killed writer's leavings there are removed by the next one.
    temporary = folder.with_name(f"{folder.name}.tmp-checkpoint")
    leads = dist.get_rank() == 0
    with writing(folder):
        if leads:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
        dist.barrier()
        with megatron_calls():
            planned = plan_save(state, temporary)
            planned.write()
            planned.finish()
        if leads:
            complete_folder(temporary, architecture, finish)
            replace_folder(temporary, folder)
        dist.barrier()


def complete_folder(temporary: Path, architecture: Architecture, finish: Callable[[Path], None] | None) -> None:
    """Add the architecture and the caller's files, and bring every byte to disk."""
    text = json.dumps(architecture.model_dump(), indent=1, sort_keys=True)
    (temporary / ARCHITECTURE_NAME).write_text(text + "\n", encoding="utf-8")
    if finish:
        finish(temporary)
    for file in temporary.rglob("*"):
        if file.is_file():
            sync_to_disk(file)


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Failures to write as one line; CheckpointException is torch's, and no Exception."""
    try:
        yield
    except (OSError, CheckpointException) as error:
        raise InputError(
            f"{folder}: cannot be written ({first_cause(error)}); free the space or choose another place"
        ) from error


def first_cause(error: BaseException) -> str:
    """Why reading or writing failed, in one line; torch gathers the failures of all processes in one exception."""
    causes = [failure[0] for failure in getattr(error, "failures", {}).values()] or [error]
    return " ".join(str(causes[0]).split())[:200] or type(causes[0]).__name__


def read_architecture_of(folder: str | Path) -> Architecture:
    """The architecture stored in a checkpoint folder; InputError where this is no (whole) checkpoint."""
    folder = Path(folder)
    path = folder / ARCHITECTURE_NAME
    if not path.is_file() or not (folder / METADATA_NAME).is_file():
        raise InputError(f"{folder}: no Megatron checkpoint here; make one with import-hf, or name a run folder")
    try:
        return validated(Architecture, json.loads(path.read_text(encoding="utf-8")), str(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} line {error.lineno}: not valid JSON; write the checkpoint again") from None


def load_model_checkpoint(model: LanguageModel, folder: str | Path, groups: ProcessGroupCollection) -> None:
    """Fill the model from the `model.*` tensors of a checkpoint, written by any layout and in any dtype.

    What a LoRA run has left alone comes from the checkpoint that it began with. Adapters that no checkpoint has stay
    as they are. Raises InputError where a tensor is absent, has another shape, or cannot be read.
    """
    if start := frozen_weights_of(folder):
        load_model_checkpoint(model, start, groups)
    load_own_tensors(model, folder, groups)


def load_own_tensors(model: LanguageModel, folder: str | Path, groups: ProcessGroupCollection) -> None:
    """Fill those of the model's tensors that this very checkpoint holds."""
    whole = model_state(model, groups)
    state = stored_part(whole, model, read_record(folder))
    check_tensors(state, Path(folder), groups)
    values = read_checkpoint(state, folder)
    weights = {key.removeprefix(MODEL_PREFIX): tensor for key, tensor in values.items()}
    mismatch = model.load_state_dict(weights, strict=False)
    # What is not stored is TransformerEngine's FP8 state (`_extra_state`), which a bf16 or fp32 model lacks.
    left_out = whole.keys() - state.keys()
    absent = [
        key for key in mismatch.missing_keys if not key.endswith("_extra_state") and MODEL_PREFIX + key not in left_out
    ]
    assert not absent + mismatch.unexpected_keys, mismatch


def stored_part(state: dict, model: LanguageModel, record: LoraRecord | None) -> dict:
    """Of a model's state, what a checkpoint with this record holds."""
    if record is None:
        return {key: tensor for key, tensor in state.items() if not is_adapter(key)}
    return trained_part(state, model, record.settings) if record.start else state


def trained_part(state: dict, model: LanguageModel, lora: LoraSettings) -> dict:
    """Of a model's state, what LoRA trains."""
    tied = model.share_embeddings_and_output_weights
    return {key: tensor for key, tensor in state.items() if is_trained(key.removeprefix(MODEL_PREFIX), lora, tied=tied)}


def frozen_weights_of(folder: str | Path) -> Path | None:
    """The checkpoint with the weights that a LoRA run left alone; None where `folder` has all weights itself.

    Raises InputError where it is gone, or is another by now.
    """
    record = read_record(folder)
    if record is None or record.start is None:
        return None
    start = Path(os.path.normpath(Path(folder).resolve() / record.start))
    if not (start / ARCHITECTURE_NAME).is_file():
        raise InputError(f"{folder}: holds LoRA's weights, and the rest is in {start}, which is not there; put it back")
    if content_digest(start) != record.start_sha256:
        raise InputError(f"{folder}: holds LoRA's weights for {start}, which has other ones by now; put the first back")
    return start


def content_digest(checkpoint: Path) -> str:
    """What a checkpoint's weights are, by content; a manifest already states the hashes of their gigabytes."""
    manifest = checkpoint / MANIFEST_NAME
    if manifest.is_file():
        return sha256_value(json.loads(manifest.read_text(encoding="utf-8"))["outputs"])
    return sha256_files(reproducible_files(checkpoint), checkpoint)


def read_checkpoint(state: dict, folder: str | Path) -> dict:
    """Read exactly the keys of `state` (which says each process's shards) and return it with values in place.

    Raises InputError where files are damaged or lack a key.
    """
    with reading(folder):
        values = dist_checkpointing.load(state, str(folder))
    return {key: values[key] for key in state}


def check_tensors(state: dict, folder: Path, groups: ProcessGroupCollection) -> None:
    """The checkpoint has the model's tensors in their whole shapes and no others, or one line names the first."""
    with reading(folder):
        stored = dist_checkpointing.load_tensors_metadata(str(folder))
    of_stages: list[set[str]] = [set()] * groups.pp.size()
    dist.all_gather_object(of_stages, {tensor.key for tensor in state.values()}, group=groups.pp)
    wanted = set.union(*of_stages)
    for key in sorted(wanted ^ {key for key in stored if key.startswith(MODEL_PREFIX)}):
        where = "the model's, not the checkpoint's" if key in wanted else "the checkpoint's, not the model's"
        raise InputError(f"{folder}: tensor {key} is {where}; build the model from the checkpoint's architecture")
    for tensor in state.values():
        if isinstance(tensor, ShardedTensor) and stored[tensor.key].global_shape != tensor.global_shape:
            raise InputError(
                f"{folder}: {tensor.key} is {list(stored[tensor.key].global_shape)}, the model wants "
                f"{list(tensor.global_shape)}; build the model from the checkpoint's architecture"
            )


@contextlib.contextmanager
def reading(folder: str | Path) -> Iterator[None]:
    """megatron's calls on a whole checkpoint; whatever unreadable bytes raise becomes one line."""
    read_architecture_of(folder)
    try:
        with megatron_calls(), known_classes_only(), warnings.catch_warnings():
            # torch announces that it will drop a class that megatron-core still uses.
            warnings.simplefilter("ignore", FutureWarning)
            yield
    except (Exception, CheckpointException) as error:
        raise InputError(f"{folder}: damaged or foreign checkpoint ({first_cause(error)}); write it again") from error


def reproducible_files(folder: Path) -> list[Path]:
    """The files of a checkpoint whose bytes are the same for the same tensors: what a manifest can hash."""
    return sorted(file for file in folder.iterdir() if file.is_file() and file.name != UNSTABLE_NAME)


def stored_dtype(folder: str | Path) -> torch.dtype:
    """The dtype of a checkpoint's weights: a trainer's may differ from that of the model it began with."""
    with reading(folder):
        stored = dist_checkpointing.load_tensors_metadata(str(folder))
        return next(tensor.dtype for key, tensor in stored.items() if key.startswith(MODEL_PREFIX))


def newest_checkpoint(folder: str | Path) -> Path:
    """`folder` itself where it is a checkpoint, else the one with the highest number under its checkpoints/.

    Checkpoints of a run are named `<word>-<step>`, e.g. step-00000100. Raises InputError where there is none.
    """
    folder = Path(folder)
    if (folder / ARCHITECTURE_NAME).is_file():
        return folder
    whole = [path.parent for path in folder.glob(f"{CHECKPOINTS_NAME}/*/{ARCHITECTURE_NAME}")]
    numbered = {int(path.name.rpartition("-")[2]): path for path in whole if path.name.rpartition("-")[2].isdigit()}
    if not numbered:
        raise InputError(f"{folder}: no checkpoint here; name a checkpoint folder or a run folder that has one")
    return numbered[max(numbered)]
