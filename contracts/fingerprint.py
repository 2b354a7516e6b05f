"""Fingerprints: sha256 of files, of settings, and of the code behind a command.

Invariants: the same content gives the same digest on every machine and in every order of listing;
anything without stable bytes is refused, not stringified.
The digest of a command's code follows its imports inside this repository, so that an edit reruns what
runs that code and nothing else.
"""

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
ROOMS = ("contracts", "data_prep", "megatron_cdt", "eval")


def canonical_json(value: object) -> str:
    """One text per value: sorted keys, no spaces, no NaN; raises TypeError for what JSON cannot hold."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def sha256_text(text: str) -> str:
    """Hex sha256 of the UTF-8 bytes of `text`."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sha256_value(value: object) -> str:
    """Hex sha256 of the canonical JSON of `value`."""
    return sha256_text(canonical_json(value))


def sha256_file(path: str | Path) -> str:
    """Hex sha256 of a file's bytes, read in 1 MiB pieces: constant memory whatever its size."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_files(paths: Iterable[Path], root: Path) -> str:
    """Hex sha256 over (path relative to `root`, sha256) of every file, sorted by path."""
    return sha256_value({str(path.relative_to(root)): sha256_file(path) for path in paths})


def code_fingerprint(*modules: str) -> str:
    """Hex sha256 of the sources of `modules` and of all they import inside this repository."""
    return sha256_value(code_sources(*modules))


def code_sources(*modules: str) -> dict[str, str]:
    """{module: hex sha256 of its source} of `modules` and of all they import inside this repository.

    A module brings the data files beside it whose names it spells (the wording of prompts), as `module/file`.
    """
    sources: dict[str, str] = {}
    pending = list(modules)
    while pending:
        name = pending.pop()
        if name not in sources:
            source = module_source(name)
            status = source.stat()
            sources[name], imports, data = read_source(source, status.st_mtime_ns, status.st_size)
            sources |= {f"{name}/{file.name}": sha256_file(file) for file in data}
            pending += imports
    return sources


def data_files(package: Path) -> list[Path]:
    """What modules may read beside themselves: a package's files that are neither code nor pages for people."""
    found = []
    for path in sorted(package.iterdir()):
        if path.is_dir() and path.name != "__pycache__" and not (path / "__init__.py").is_file():
            found += data_files(path)
        elif path.is_file() and path.suffix not in {".py", ".md"}:
            found.append(path)
    return found


@cache
def read_source(source: Path, _modified: int, _size: int) -> tuple[str, list[str], list[Path]]:
    """(sha256, imported modules, data files) of a source file, read once: a workflow asks for it hundreds of times."""
    text = source.read_text(encoding="utf-8")
    data = [file for file in data_files(source.parent) if file.name in text]
    return sha256_file(source), imported_modules(source), data


def module_source(name: str) -> Path:
    """The file of a module of this repository, e.g. `data_prep.pack` -> data_prep/pack.py."""
    base = REPOSITORY.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    raise ModuleNotFoundError(name)


def imported_modules(source: Path) -> list[str]:
    """Names of this repository's modules that `source` imports anywhere, their packages included."""
    found = []
    for node in statements(ast.parse(source.read_bytes())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return [name for name in with_packages(found) if is_module(name)]


def statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Every statement below `tree`; expressions hold no imports, and passing over them takes a third of the time."""
    for field in ("body", "orelse", "handlers", "finalbody", "cases"):
        for node in getattr(tree, field, ()):
            yield node
            yield from statements(node)


def with_packages(names: Iterable[str]) -> list[str]:
    """Every dotted prefix of every name that lies in one of the rooms."""
    prefixes = set()
    for name in names:
        parts = name.split(".")
        if parts[0] in ROOMS:
            prefixes |= {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
    return sorted(prefixes)


def is_module(name: str) -> bool:
    """Whether a dotted name is a module here (and not a function or class imported from one)."""
    try:
        return bool(module_source(name))
    except ModuleNotFoundError:
        return False


def first_difference(old: Mapping[str, object], new: Mapping[str, object]) -> str | None:
    """The first key (sorted, dotted) whose values differ, as `key: old -> new`; None where equal."""
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            if inner := first_difference(before, after):
                return f"{key}.{inner}"
        elif before != after:
            return f"{key}: {before!r} -> {after!r}"
    return None
