"""The hash of the code behind a command, looked up once by a whole Snakemake, however many runs its study has.

in : the modules that a command runs
out: sha256 over the sources of all that they import here; on request a record of it, .snakemake/code/<hash>.json, by
     which `python -m workflow.why` says in what modules two hashes differ
"""

from functools import cache
from pathlib import Path

from contracts.files import atomic_text
from contracts.fingerprint import canonical_json, code_sources, sha256_value

RECORDS = Path(".snakemake/code")


@cache
def code_digest(modules: tuple[str, ...], record: bool) -> str:
    """The hash of the code behind `modules`, recorded where `record` says so."""
    code = code_sources(*modules)
    digest = sha256_value(code)
    place = RECORDS / f"{digest}.json"
    if record and not place.is_file():
        atomic_text(place, canonical_json(code))
    return digest
