"""What a run read from outside its folder: books, given models and tokenizers, configuration files.

in : the manifests (which state the hashes of what they read) and the configuration (which says where things lie)
out: {path relative to the working folder: sha256}, and the stated hashes that no file of the configuration has
Only files that a manifest states count: a corpus folder may hold more than the run read.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from contracts.fingerprint import sha256_file
from workflow.audit.lineage import makers_of, stated_digests
from workflow.audit.run import Run


def external_inputs(run: Run, settings: Mapping, config_files: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """({path: sha256}, hashes that were not found)."""
    made = makers_of(run).keys() | set(run.digests.values())
    wanted = {digest for manifest in run.manifests.values() for digest in stated_digests(manifest["inputs"])} - made
    names = {Path(name).name for manifest in run.manifests.values() for name in stated_names(manifest["inputs"])}
    work = run.work_folder()
    found = {}
    for file in sorted(set(candidates(settings, work))):
        if file.name in names and not file.resolve().is_relative_to(run.folder.resolve()):
            digest = sha256_file(file)
            if digest in wanted:
                found[relative(file, work)] = digest
    configured = {
        relative(work / name, work): sha256_file(work / name) for name in config_files if (work / name).is_file()
    }
    return found | configured, sorted(wanted - set(found.values()))


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
