"""What identifies and describes a model folder, without loading the model or importing torch."""

import json
import math
from pathlib import Path

from contracts.errors import InputError
from contracts.files import atomic_text, existing_file
from contracts.fingerprint import sha256_files, sha256_text


def model_digest(folder: str | Path) -> str:
    """Hex sha256 over the config and the weights of an exported Hugging Face model folder."""
    folder = Path(folder)
    config = existing_file(folder / "config.json", "give an exported Hugging Face model folder")
    return sha256_files([config, *folder.glob("*.safetensors*")], folder)


def remembered_digest(folder: str | Path, memory: Path | None) -> str:
    """The same, read from the folder `memory` where it knows these files with these sizes and times."""
    if memory is None:
        return model_digest(folder)
    files = sorted(path for path in Path(folder).glob("*") if path.is_file())
    state = {path.name: [path.stat().st_size, path.stat().st_mtime_ns] for path in files}
    note = memory / f"{sha256_text(str(Path(folder).resolve()))[:16]}.json"
    remembered = read_config(memory, note.name)
    if remembered.get("files") != state:
        remembered = {"folder": str(folder), "files": state, "sha256": model_digest(folder)}
        atomic_text(note, json.dumps(remembered, indent=1) + "\n")
    return remembered["sha256"]


def model_name(folder: str | Path) -> str:
    """The name of a model where nobody gives it another: its folder's."""
    return Path(folder).resolve().name


def read_config(folder: str | Path, name: str = "config.json") -> dict:
    """A JSON file of a model folder; {} where there is none. InputError where it is broken."""
    path = Path(folder) / name
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error}); export the model again") from None


def claimed_window(folder: str | Path) -> int | None:
    """The longest input that the model's config claims (tokens); None where it claims none."""
    return read_config(folder).get("max_position_embeddings")


def end_tokens(folder: str | Path) -> list[int]:
    """The end-of-text tokens: those of the generation settings, else those of the config; [] where none is named."""
    named = read_config(folder, "generation_config.json") or read_config(folder)
    ends = named.get("eos_token_id")
    return [] if ends is None else [ends] if isinstance(ends, int) else list(ends)


def parameter_count(folder: str | Path) -> int:
    """Numbers in the weight files, from their headers alone; weights that layers share lie there once."""
    return sum(
        math.prod(tensor["shape"])
        for path in Path(folder).glob("*.safetensors")
        for name, tensor in safetensors_header(path).items()
        if name != "__metadata__"
    )


def safetensors_header(path: Path) -> dict:
    """{tensor: {dtype, shape, data_offsets}} of a safetensors file; InputError where it is cut short."""
    with open(path, "rb") as handle:
        size = int.from_bytes(handle.read(8), "little")
        try:
            return json.loads(handle.read(size))
        except ValueError:
            raise InputError(f"{path}: not a safetensors file; export the model again") from None
