"""A copy of parts of the repository in which a test may run the workflow and change files.

in : the names at the repository's root that the copy has
out: files with their bytes and times; links stay links; no compiled modules
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


def copy_of_repository(folder: Path, names: Iterable[str]) -> None:
    """Make `folder` with copies of what has these names in the repository."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        source, target = REPOSITORY / name, folder / name
        if source.is_symlink():
            target.symlink_to(source.readlink())
        elif source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)


def merge(values: dict, changes: dict) -> None:
    """Put `changes` into `values`, descending where both hold a mapping."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            merge(values[key], value)
        else:
            values[key] = value
