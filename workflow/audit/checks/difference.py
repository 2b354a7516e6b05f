"""What every check takes and gives."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from workflow.audit.run import RUN_FACTS, Run, read_object


@dataclass(frozen=True, order=True)
class Difference:
    """One thing that is not as it should be: the file that it was found in, and a sentence."""

    path: str  # relative to the run folder, to the working folder (inputs), or to the repository (code)
    what: str


@dataclass(frozen=True)
class Audited:
    """A run, its audit folder, and the code to compare it with."""

    run: Run
    audit: Path
    repository: Path

    @cached_property
    def facts(self) -> dict:
        """run.json."""
        return read_object(self.audit / RUN_FACTS)
