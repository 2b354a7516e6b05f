"""Where the code of this repository lies: its packages, the file of a module, the data files beside the code."""

import hashlib
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
ROOMS = ("contracts", "data_prep", "megatron_cdt", "eval")
# What makes these hashes decides no other number of a run: where it changes their meaning, they change by themselves.
HASHING = (
    *("contracts.code_effects", "contracts.code_hashes", "contracts.code_names", "contracts.code_nodes"),
    *("contracts.code_places", "contracts.code_reach", "contracts.code_syntax"),
)


def module_source(name: str, repository: Path = REPOSITORY) -> Path:
    """The file of a module of this repository, e.g. `data_prep.pack` -> data_prep/pack.py; ModuleNotFoundError else."""
    parts = name.split(".")
    base = repository.joinpath(*parts)
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if all(parts) and path.is_file():
            return path
    raise ModuleNotFoundError(name)


@cache
def is_module(name: str, repository: Path) -> bool:
    """Whether a dotted name is a module of the repository."""
    try:
        return bool(module_source(name, repository))
    except ModuleNotFoundError:
        return False


@cache
def data_files(package: Path) -> tuple[Path, ...]:
    """What modules may read beside themselves: a package's files that are neither code nor pages for people."""
    files: list[Path] = []
    for path in sorted(package.iterdir()):
        if path.is_dir() and path.name != "__pycache__" and not (path / "__init__.py").is_file():
            files += data_files(path)
        elif path.is_file() and path.suffix not in {".py", ".md", ".pyc"} and path.name[0] != ".":
            files.append(path)
    return tuple(files)


@cache
def file_digest(file: Path, _modified: int) -> str:
    """32 hex digits of a data file's content."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:32]
