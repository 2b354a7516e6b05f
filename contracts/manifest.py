"""The manifest that lies beside every output: what went in, what came out, made by what.

A manifest is one JSON file without timestamps, host names or absolute paths, so that two runs that did
the same have the same bytes. `counts` states tokens and documents: in = out + dropped, with reasons.
"""

import json
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from contracts.errors import InputError
from contracts.files import atomic_text
from contracts.fingerprint import sha256_file, sha256_value

MANIFEST_NAME = "manifest.json"
# Files of an output that its manifest does not name: the index of a checkpoint (its bytes differ from run to run),
# and the mark that Snakemake leaves in a folder that a rule has made.
UNNAMED = (".metadata", ".snakemake_timestamp")


def describe_files(paths: Iterable[str | Path], root: str | Path | None = None) -> dict[str, dict]:
    """{name: {sha256, bytes}} of each file; names relative to `root` where given, else base names."""
    described = {}
    for path in sorted(Path(path) for path in paths):
        name = path.relative_to(root).as_posix() if root else path.name
        described[name] = {"sha256": sha256_file(path), "bytes": path.stat().st_size}
    return described


def build_manifest(
    *,
    stage: str,
    inputs: Mapping[str, object],
    outputs: Mapping[str, object],
    settings: Mapping[str, object],
    code: Mapping[str, object],
    counts: Mapping[str, object],
    packages: Iterable[str] = (),
    seed: int | None = None,
) -> dict:
    """The manifest of one stage's output as a dict; `code` is what contracts.code_reach.code_facts says."""
    return {
        "stage": stage,
        "inputs": dict(inputs),
        "outputs": dict(outputs),
        "settings": dict(settings),
        "settings_sha256": sha256_value(settings),
        **code,
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}},
        "seed": seed,
        "counts": dict(counts),
    }


def write_manifest(path: str | Path, manifest: Mapping[str, object]) -> None:
    """Write a manifest, indented and with sorted keys, whole or not at all."""
    atomic_text(path, json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False) + "\n")


def replaceable(folder: str | Path, *stages: str) -> Path:
    """`folder`, where an output may go: it is not there, or empty, or holds an earlier output of `stages` and no more.

    Raises InputError for anything else: an output takes the place of its folder, and what lay in it would be gone.
    """
    folder = Path(folder)
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        kind = "a link" if folder.is_symlink() else "a file"
        raise InputError(f"{folder}: {kind}, and the output is a folder; remove it or choose another place")
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    named = {MANIFEST_NAME, *UNNAMED}
    if MANIFEST_NAME in names:
        manifest = read_manifest(folder)
        if manifest.get("stage") not in stages:
            raise InputError(
                f"{folder}: holds what {manifest.get('stage')!r} made; choose another folder for the output"
            )
        named |= {Path(name).parts[0] for name in manifest["outputs"]}
    if foreign := [name for name in names if name not in named]:
        raise InputError(
            f"{folder}: holds {foreign[0]}, which no manifest there names, and would be replaced by the output; "
            "choose another folder, or move it away"
        )
    return folder


def read_manifest(folder: str | Path) -> dict:
    """The manifest of a folder; InputError with the cure where it is absent or broken."""
    path = Path(folder) / MANIFEST_NAME
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no manifest; the step that makes {folder} has not finished, run it again") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path} line {error.lineno}: not valid JSON; run the step that makes it again") from None
    except (UnicodeDecodeError, OSError) as error:
        reason = error.reason if isinstance(error, UnicodeDecodeError) else error.strerror
        raise InputError(f"{path}: cannot be read ({reason}); run the step that makes it again") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("outputs"), dict):
        raise InputError(f"{path}: not a manifest of this project; run the step that makes {folder} again")
    return manifest
