"""What a run reads, opened and checked against each other before anything starts; no process group is needed.

in : the paths of start checkpoint, packs and tokenizer, and the settings
out: Inputs, and the fingerprint that says which run this is
"""

import json
from dataclasses import dataclass
from pathlib import Path

from contracts.code_reach import code_fingerprint
from contracts.files import existing_folder
from contracts.fingerprint import sha256_files, sha256_value
from contracts.manifest import MANIFEST_NAME, replaceable
from contracts.packs import PackReader
from contracts.tokenizer import load_tokenizer
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.checkpoint import newest_checkpoint, read_architecture_of, reproducible_files
from megatron_cdt.engine.device import has_gpu
from megatron_cdt.objectives.registry import METHODS
from megatron_cdt.training.data_order import check_pack_fits
from megatron_cdt.training.settings import TrainSettings

COMMAND = "megatron_cdt.training.train_command"


@dataclass(frozen=True)
class Paths:
    """Where a run reads and writes; the names are the command's options."""

    start_checkpoint: Path
    data: Path
    validation: Path | None
    tokenizer: Path
    run_folder: Path
    output: Path


@dataclass(frozen=True)
class Inputs:
    """Everything that a run reads."""

    start: Path  # a checkpoint folder
    architecture: Architecture
    tokenizer: Path
    tokenizer_digest: str
    pack: PackReader
    validation: PackReader | None


def open_inputs(paths: Paths, settings: TrainSettings) -> Inputs:
    """Open what a run reads. Raises InputError where something is absent, or does not fit the rest."""
    replaceable(paths.output, "train", "export-hf")
    checkpoint = newest_checkpoint(existing_folder(paths.start_checkpoint, "make it with import-hf"))
    architecture, digest = read_architecture_of(checkpoint), load_tokenizer(paths.tokenizer).digest
    packs = [PackReader(folder) for folder in (paths.data, paths.validation) if folder]
    for pack in packs:
        check_pack_fits(pack, architecture, settings.layout, digest)
    return Inputs(checkpoint, architecture, paths.tokenizer, digest, packs[0], packs[1] if paths.validation else None)


def code_roots(method: str) -> tuple[str, str]:
    """The modules behind a training: the command's, and that of its method, which is imported by its name."""
    return COMMAND, METHODS[method].module


def run_fingerprint(inputs: Inputs, settings: TrainSettings) -> dict:
    """Which run this is: whatever decides a number of it."""
    return {
        "settings": settings.identity,
        "code": code_fingerprint(*code_roots(settings.method)),
        "device": "gpu" if has_gpu() else "cpu",
        "start": start_digest(inputs.start),
        "data": inputs.pack.metadata.fingerprint,
        "validation": inputs.validation.metadata.fingerprint if inputs.validation else None,
        "tokenizer": inputs.tokenizer_digest,
    }


def start_digest(checkpoint: Path) -> str:
    """What the start weights are, by content; a manifest already states the hashes of their gigabytes."""
    manifest = checkpoint / MANIFEST_NAME
    if manifest.is_file():
        return sha256_value(json.loads(manifest.read_text(encoding="utf-8"))["outputs"])
    return sha256_files(reproducible_files(checkpoint), checkpoint)
