"""`train --dry-run`: find every bad setting and say what the run will take, before a GPU is taken.

in : the command's paths and settings
out: the text to print; InputError (exit code 2) for what the run itself would refuse, or would die of later
Nothing is written, no process group is made, no weight is read.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import torch

from contracts.errors import InputError
from contracts.packs import PackReader
from megatron_cdt.engine.checkpoint import CHECKPOINTS_NAME
from megatron_cdt.engine.device import has_gpu
from megatron_cdt.engine.fp8 import check_fp8
from megatron_cdt.engine.lora import LoraSettings
from megatron_cdt.engine.model import check_divides
from megatron_cdt.objectives.registry import objective_class
from megatron_cdt.training.data_order import rows_of_step
from megatron_cdt.training.determinism import check_promise
from megatron_cdt.training.inputs import Inputs, Paths, open_inputs, run_fingerprint
from megatron_cdt.training.memory import (
    checkpoint_bytes,
    export_bytes,
    layout_line,
    parameters,
    rank_memory,
    staged_bytes,
    trained_parameters,
)
from megatron_cdt.training.run_folder import check_run_folder, read_fingerprint
from megatron_cdt.training.settings import TrainSettings
from megatron_cdt.training.sinks import check_sinks

# A look at a row costs microseconds; the first rows of a run show what kind of pack it is.
ROWS_LOOKED_AT = 2000


def dry_run(paths: Paths, settings: TrainSettings, if_changed: str) -> str:
    """Check everything that can be checked without starting; returns the run's figures, one a line."""
    check_sinks(settings.sinks)
    if fp8_pass := settings.section.fp8_pass:
        check_fp8(getattr(torch, settings.dtype), fp8_pass)
    if settings.deterministic:
        check_promise(os.environ, settings.layout.engine_layout, on_gpu=has_gpu(), fp8_pass=fp8_pass)
    inputs = open_inputs(paths, settings)
    check_divides(inputs.architecture, settings.layout.tensor, settings.layout.pipeline)
    check_labels(inputs.pack, settings)
    check_room(paths, inputs, settings)
    check_same_run(paths.run_folder, inputs, settings, if_changed)
    return "\n".join(f"{name:<12} {value}" for name, value in figures(inputs, settings))


def figures(inputs: Inputs, settings: TrainSettings) -> Iterator[tuple[str, str]]:
    """What the run is and what it takes: (name, value) pairs."""
    length = inputs.pack.metadata.length
    memory = rank_memory(inputs.architecture, settings, length)
    rows = settings.steps * settings.global_batch_rows
    yield "method", f"{settings.method}, {settings.dtype}, recompute {settings.recompute}"
    yield "layout", layout_line(settings.layout)
    yield "parameters", f"{parameters(inputs.architecture):,}"
    if settings.lora:
        yield "", f"{trained_parameters(inputs.architecture, settings):,} trained: {lora_line(settings.lora)}"
    yield "memory", f"{mebibytes(memory.total)} in the fullest process, estimated:"
    for field in fields(memory):
        yield "", f"{mebibytes(getattr(memory, field.name)):>14}  {field.name}"
    yield "steps", f"{settings.steps:,} of {settings.global_batch_rows} rows, {length:,} tokens a row"
    yield "tokens", f"{about_tokens(inputs.pack, settings)} real ones of {rows * length:,} places"
    yield "epochs", f"{rows / len(inputs.pack):.3g} over {len(inputs.pack):,} rows"
    saves = -(-settings.steps // settings.checkpoint_interval)
    size = checkpoint_bytes(inputs.architecture, settings)
    yield "checkpoints", f"{saves} of {mebibytes(size)} each, {min(saves, settings.keep_checkpoints)} kept"
    if settings.checkpoint_async:
        staged = staged_bytes(inputs.architecture, settings)
        yield "", f"written while training goes on, from up to {mebibytes(staged)} more host memory in a process"
    yield "model", f"{mebibytes(export_bytes(inputs.architecture, settings))} exported"


def lora_line(lora: LoraSettings) -> str:
    """What LoRA trains, for people."""
    whole = ["embedding"] * lora.train_embeddings + ["norms"] * lora.train_norms
    return f"LoRA of rank {lora.rank} on {', '.join(lora.targets)}" + (f"; whole: {', '.join(whole)}" if whole else "")


def mebibytes(size: int) -> str:
    """A size for people."""
    return f"{size / 2**20:,.1f} MiB"


def first_rows(pack: PackReader, settings: TrainSettings) -> list[int]:
    """The rows of the first steps of the run, ROWS_LOOKED_AT at most."""
    count = min(settings.steps * settings.global_batch_rows, len(pack), ROWS_LOOKED_AT)
    return rows_of_step(1, num_rows=len(pack), batch_rows=count, seed=settings.seed)


def about_tokens(pack: PackReader, settings: TrainSettings) -> str:
    """Real tokens of the whole run: exact where one look sees all its rows, else from the mean of those looked at."""
    looked = first_rows(pack, settings)
    tokens = {row: int(pack.row(row).segment_tokens.sum()) for row in looked}
    rows = settings.steps * settings.global_batch_rows
    if len(looked) < min(rows, len(pack)):
        return f"about {round(rows * sum(tokens.values()) / len(looked)):,}"
    epochs, rest = divmod(rows, len(pack))
    last = rows_of_step(epochs + 1, num_rows=len(pack), batch_rows=len(pack), seed=settings.seed)[:rest]
    return f"{epochs * sum(tokens.values()) + sum(tokens[row] for row in last):,}"


def check_labels(pack: PackReader, settings: TrainSettings) -> None:
    """The pack has what the method learns from; the run itself would find out in the middle of its first step."""
    for index in first_rows(pack, settings):
        row = pack.row(index)
        if complaint := objective_class(settings.method).complaint_about(row):
            raise InputError(f"{pack.folder} row {index}: method: {complaint}")
        if row.target_mask().any():
            return
    raise InputError(f"{pack.folder}: no labelled token in the rows of the first steps; pack again with answers")


def check_same_run(run_folder: Path, inputs: Inputs, settings: TrainSettings, if_changed: str) -> None:
    """The run folder may be gone on with. The device is left out: a dry run is often made where there is none."""
    begun = read_fingerprint(run_folder) or {}
    fingerprint = run_fingerprint(inputs, settings)
    check_run_folder(run_folder, fingerprint | {key: begun[key] for key in ("device",) if key in begun}, if_changed)


def check_room(paths: Paths, inputs: Inputs, settings: TrainSettings) -> None:
    """Both outputs can be written, and the disk holds the checkpoints that stay and the one being written."""
    there = sum(file.stat().st_size for file in (paths.run_folder / CHECKPOINTS_NAME).glob("step-*/*"))
    saved = (settings.keep_checkpoints + 1) * checkpoint_bytes(inputs.architecture, settings)
    needed = {paths.run_folder: max(0, saved - there), paths.output: export_bytes(inputs.architecture, settings)}
    for folder, size in needed.items():
        existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
            raise InputError(f"{folder}: cannot be written ({existing} is no writable folder); choose another place")
        if (free := shutil.disk_usage(existing).free) < size:
            raise InputError(
                f"{folder}: needs {mebibytes(size)}, but {mebibytes(free)} are free; free the space, choose another "
                f"place, or lower keep_checkpoints"
            )
