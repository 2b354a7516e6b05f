"""What identifies a model folder, without loading the model."""

from pathlib import Path

from contracts.files import existing_file
from contracts.fingerprint import sha256_files


def model_digest(folder: str | Path) -> str:
    """Hex sha256 over the config and the weights of an exported Hugging Face model folder."""
    folder = Path(folder)
    config = existing_file(folder / "config.json", "give an exported Hugging Face model folder")
    return sha256_files([config, *folder.glob("*.safetensors*")], folder)


def model_name(folder: str | Path) -> str:
    """The name of a model where nobody gives it another: its folder's."""
    return Path(folder).resolve().name
