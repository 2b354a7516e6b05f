"""What a run came from: its code, command line and settings (run.json), and what it read from outside its folder.

Nothing secret is written. A dirty working tree is stated as a hash: it may hold what nobody wants to hand on. Where the
code lies in no git repository (an unpacked archive), the commit is null and code.json still says all.
Of the files at places that the configuration names only those count that a manifest states: a corpus folder may hold
more than the run read.
"""

import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from contracts.code_places import REPOSITORY, ROOMS
from contracts.code_syntax import module_fingerprint
from contracts.fingerprint import canonical_json, sha256_file, sha256_text, sha256_value
from contracts.secrets import scrub_arguments, scrub_text, scrub_value
from workflow.audit.lineage import makers_of, stated_digests
from workflow.audit.run import Run

COMMAND_LINE_VARIABLE = "MEGATRON_CDT_COMMAND_LINE"
CODE_FOLDERS = (*ROOMS, "workflow")
CODE_FILES = ("Snakefile", "environment.yml", "pyproject.toml", "requirements.lock", "requirements-cuda.lock")
# The audit computes no number of a run: a newer one may verify what an older one wrote.
NOT_OF_A_RUN = "workflow/audit/"


def run_facts(root: str, settings: dict, *, made: str) -> dict:
    """The run's facts; `settings` is the whole configuration with its defaults."""
    shown = scrub_value(settings)
    return {
        "run": settings.get("run", Path(root).name),
        "root": root,
        "made": made,
        "git": git_facts(REPOSITORY),
        "command_line": scrub_arguments(shlex.split(os.environ.get(COMMAND_LINE_VARIABLE, ""))),
        "snakemake": {name: version(name) for name in ("snakemake", "snakemake-executor-plugin-slurm")},
        "settings": shown,
        "settings_sha256": sha256_value(shown),
    }


def git_facts(repository: Path) -> dict:
    """Commit, remote, and the hash of everything that differs from the commit."""
    commit = git(repository, "rev-parse", "HEAD")
    if not commit:
        return {"commit": None}
    difference = git(repository, "diff", "HEAD", "--binary")
    untracked = git(repository, "ls-files", "--others", "--exclude-standard").splitlines()
    added = {name: sha256_file(repository / name) for name in untracked if (repository / name).is_file()}
    return {
        "commit": commit.strip(),
        "remote": scrub_text(git(repository, "config", "--get", "remote.origin.url").strip()) or None,
        "dirty": bool(difference or added),
        "difference_sha256": sha256_text(difference + canonical_json(added)) if difference or added else None,
        "untracked_files": sorted(added),
    }


def git(repository: Path, *arguments: str) -> str:
    """What git says; nothing where there is no git or no repository."""
    try:
        said = subprocess.run(
            ["git", "-C", str(repository), *arguments], capture_output=True, text=True, errors="replace", check=False
        )
    except FileNotFoundError:
        return ""
    return said.stdout if said.returncode == 0 else ""


def code_files(repository: Path) -> dict[str, str]:
    """{path: sha256} of the code of the workflow and its stages, and of what it is installed from.

    Of a Python file, of what it says: a comment, a docstring or a blank line is no other code.
    """
    paths = [repository / name for name in CODE_FILES]
    for folder in CODE_FOLDERS:
        paths += (repository / folder).rglob("*")
    kept = [path for path in paths if path.is_file() and "__pycache__" not in path.parts and path.name[0] != "."]
    named = {path.relative_to(repository).as_posix(): path for path in sorted(kept)}
    return {
        name: file_fingerprint(path, repository) for name, path in named.items() if not name.startswith(NOT_OF_A_RUN)
    }


def file_fingerprint(path: Path, repository: Path) -> str:
    """The hash of what a Python file says; of the bytes of any other file, and of one that does not parse."""
    module = ".".join(path.relative_to(repository).with_suffix("").parts).removesuffix(".__init__")
    try:
        return module_fingerprint(module, repository) if path.suffix == ".py" else sha256_file(path)
    except SyntaxError:
        return sha256_file(path)


def version(package: str) -> str | None:
    """The version of an installed package; None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def external_inputs(run: Run, settings: Mapping, config_files: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """{path relative to the working folder: sha256}, and the stated hashes that no file of the configuration has."""
    made = makers_of(run).keys() | set(run.digests.values())
    wanted = {digest for manifest in run.manifests.values() for digest in stated_digests(manifest["inputs"])} - made
    names = {Path(name).name for manifest in run.manifests.values() for name in stated_names(manifest["inputs"])}
    work = run.work_folder()
    inputs = {}
    for file in sorted(set(candidates(settings, work))):
        if file.name in names and not file.resolve().is_relative_to(run.folder.resolve()):
            digest = sha256_file(file)
            if digest in wanted:
                inputs[relative(file, work)] = digest
    configured = {
        relative(work / name, work): sha256_file(work / name) for name in config_files if (work / name).is_file()
    }
    return inputs | configured, sorted(wanted - set(inputs.values()))


def stated_names(value: object) -> Iterator[str]:
    """Every file name that has a hash in the `inputs` of a manifest."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, Mapping) and "sha256" in inner:
                yield key
            yield from stated_names(inner)


def candidates(settings: object, work: Path) -> Iterator[Path]:
    """Every file at or below a path that the configuration names."""
    for text in texts_in(settings):
        place = work / text
        if place.is_file():
            yield place
        elif text not in ("", ".", "..") and place.is_dir():
            yield from (path for path in place.rglob("*") if path.is_file())


def texts_in(value: object) -> Iterator[str]:
    """Every string in the settings, keys included: `fetch` names its files in keys."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts_in(key)
            yield from texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts_in(inner)
    elif isinstance(value, str) and len(value) < 4096 and "\0" not in value and "\n" not in value:
        yield value


def relative(path: Path, work: Path) -> str:
    """A path as it is written down: relative to the working folder where it lies below it."""
    return path.relative_to(work).as_posix() if path.is_relative_to(work) else path.as_posix()
