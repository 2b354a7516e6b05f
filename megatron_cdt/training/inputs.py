"""What a run reads, opened and checked against each other before anything starts; no process group is needed.

in : the paths of start checkpoint, packs and tokenizer, and the settings
out: Inputs, and the fingerprint that says which run this is
"""

from dataclasses import dataclass
from pathlib import Path

from contracts.code_reach import code_fingerprint
from contracts.errors import InputError
from contracts.files import existing_folder
from contracts.manifest import replaceable
from contracts.packs import PackReader
from contracts.tokenizer import load_tokenizer
from megatron_cdt.architecture import Architecture
from megatron_cdt.engine.checkpoint import content_digest, newest_checkpoint, read_architecture_of
from megatron_cdt.engine.device import has_gpu
from megatron_cdt.engine.lora.record import read_record
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
    check_adapters(checkpoint, settings)
    packs = [PackReader(folder) for folder in (paths.data, paths.validation) if folder]
    for pack in packs:
        check_pack_fits(pack, architecture, settings.layout, digest)
    return Inputs(checkpoint, architecture, paths.tokenizer, digest, packs[0], packs[1] if paths.validation else None)


def check_adapters(start: Path, settings: TrainSettings) -> None:
    """Adapters of the start are gone on with as they are, or one line says what differs."""
    record = read_record(start)
    if record is None:
        return
    if settings.lora is None:
        raise InputError(
            f"{start}: has LoRA adapters; set train.lora to go on with them, or export-hf and import-hf it"
        )
    for name in ("rank", "alpha", "targets"):
        given, stored = (getattr(lora, name) for lora in (settings.lora, record.settings))
        if given != stored:
            shown = ", ".join(stored) if name == "targets" else f"{stored:g}"
            raise InputError(
                f"{start}: has LoRA adapters with {name} {shown}; set train.lora.{name} to that, or begin new ones on "
                f"the merged model (export-hf, then import-hf)"
            )


def code_roots(method: str) -> tuple[str, str]:
    """The modules behind a training: the command's, and that of its method, which is imported by its name."""
    return COMMAND, METHODS[method].module


def run_fingerprint(inputs: Inputs, settings: TrainSettings) -> dict:
    """Which run this is: whatever decides a number of it."""
    return {
        "settings": settings.identity,
        "code": code_fingerprint(*code_roots(settings.method)),
        "device": "gpu" if has_gpu() else "cpu",
        "start": content_digest(inputs.start),
        "data": inputs.pack.metadata.fingerprint,
        "validation": inputs.validation.metadata.fingerprint if inputs.validation else None,
        "tokenizer": inputs.tokenizer_digest,
    }
