"""The packages that a stage computes with: another version of one is a reason to compute again, or none, as set.

in : the setting `packages` of a configuration; results/<run>/packages.json of a run that was started before
out: for each kind of stage, the versions that its jobs carry as a param
With `packages: kept` a run goes on with what it was begun with on record, whatever is installed now: nothing runs again
for a version. Snakemake's own conda environments are its own reason; the versions here are then nobody's.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from contracts.files import atomic_text
from contracts.fingerprint import canonical_json
from contracts.job_environment import installed_packages

READERS = ("numpy", "pyarrow", "sentencepiece", "tiktoken", "tokenizers", "jinja2")
# What decides bytes. pydantic, PyYAML and tqdm do not, nor do what draws curves for people.
COMPUTED_WITH: Mapping[str, tuple[str, ...]] = {
    "data": READERS,
    "training": ("torch", "megatron-core", "transformer-engine", "apex", "numpy", "pyarrow", "safetensors"),
    "samples": (*READERS, "nltk"),
    "answers": ("torch", "transformers", "vllm", "bm25s", "numpy", "sentencepiece", "tiktoken", "tokenizers"),
    "scores": ("numpy", "scipy", "nltk", "rouge", "rapidfuzz", "pytrec-eval-terrier", "torch", "transformers"),
    "report": ("numpy", "scipy"),
}


class StagePackages:
    """The versions of one run, by kind of stage."""

    def __init__(self, setting: str, results: str, places: tuple[str, ...]) -> None:
        """`places`: the folders of installed packages (sys.path); none where the jobs have another environment."""
        self.record = Path(results) / "packages.json"
        self.versions = (setting == "kept" and self.kept()) or versions_now(places)

    def kept(self) -> dict[str, dict[str, str]] | None:
        """What the run was begun with; None where nothing is on record."""
        return json.loads(self.record.read_text(encoding="utf-8")) if self.record.is_file() else None

    def of(self, kind: str) -> str:
        """The param of a stage of this kind."""
        return canonical_json({"packages": self.versions.get(kind, {})})

    def keep(self) -> None:
        """Put the versions on record, for `packages: kept`."""
        if self.kept() != self.versions:
            atomic_text(self.record, canonical_json(self.versions))


@cache
def versions_now(places: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """{kind: {package: version}} of what is installed; one listing for all runs of a study."""
    installed = installed_packages(list(places))
    return {
        kind: {name: installed[name] for name in names if name in installed} for kind, names in COMPUTED_WITH.items()
    }
