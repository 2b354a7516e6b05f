"""lora.json beside a checkpoint: which adapters it holds, and which checkpoint has the weights that were left alone.

Invariant: a checkpoint without lora.json has no adapter; one whose record names no start holds every weight.
"""

import json
import os
from pathlib import Path

from pydantic import Field

from contracts.errors import InputError
from contracts.settings import Settings, validated
from megatron_cdt.engine.lora import LoraSettings

LORA_NAME = "lora.json"


class LoraRecord(Settings):
    """What is said of a checkpoint with adapters."""

    settings: LoraSettings = Field(description="the adapters, and what else was trained")
    start: str | None = Field(default=None, description="checkpoint of the rest, relative to this one's folder")
    start_sha256: str | None = Field(default=None, description="digest of that checkpoint's content")


def record_text(settings: LoraSettings, folder: Path, start: Path | None, start_sha256: str | None) -> str:
    """The text of `folder`/lora.json; a relative path without links, so that a tree of results can be moved."""
    relative = os.path.relpath(start.resolve(), folder.resolve()) if start else None
    record = LoraRecord(settings=settings, start=relative, start_sha256=start_sha256)
    return json.dumps(record.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"


def read_record(folder: str | Path) -> LoraRecord | None:
    """The record of a checkpoint; None where it has no adapter."""
    path = Path(folder) / LORA_NAME
    if not path.is_file():
        return None
    try:
        return validated(LoraRecord, json.loads(path.read_text(encoding="utf-8")), str(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} line {error.lineno}: not valid JSON; write the checkpoint again") from None
