"""The files of a run folder that an audit speaks for, and their hashes.

Left out: the audit's own folder, log and benchmark (they are written while it is), Snakemake's time stamps, and
temporary names, which nobody takes for a result.
"""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from contracts.fingerprint import sha256_file

AUDIT = "audit"
SNAKEMAKE_STAMP = ".snakemake_timestamp"
OWN_PLACES = (f"{AUDIT}/", f"logs/{AUDIT}.", f"benchmarks/{AUDIT}.")
# Hashing lets go of the interpreter; more readers than this only make a network file system slower.
MOST_READERS = 8


def files_of_run(run: Path) -> list[str]:
    """Paths relative to `run`, sorted; symbolic links to files count as files."""
    found = []
    for folder, _, names in os.walk(run):
        relative = Path(folder).relative_to(run)
        found += [(relative / name).as_posix() for name in names]
    return sorted(name for name in found if is_audited(name))


def is_audited(name: str) -> bool:
    """Whether a file of the run belongs to what is audited."""
    return not (name.startswith(OWN_PLACES) or name.endswith(SNAKEMAKE_STAMP) or ".tmp-" in name)


def hash_files(names: Iterable[str], root: Path) -> dict[str, str]:
    """{name: sha256} of files below `root`."""
    names = list(names)
    with ThreadPoolExecutor(min(MOST_READERS, os.cpu_count() or 1)) as readers:
        return dict(zip(names, readers.map(lambda name: sha256_file(root / name), names), strict=True))
