"""The audit's own tables and copies are what the run folder gives when they are made again."""

from collections.abc import Iterator

from contracts.secrets import scrub_text
from workflow.audit.bundle import derived_texts
from workflow.audit.checks.difference import Audited, Difference
from workflow.audit.run import read_object


def check(audited: Audited) -> Iterator[Difference]:
    """Every derived file; Slurm's accounting is the stored one, since Slurm forgets."""
    accounting = read_object(audited.audit / "sacct.json")
    for name, text in derived_texts(audited.run, accounting).items():
        path = audited.audit / name
        if not path.is_file() or path.read_text(encoding="utf-8") != scrub_text(text):
            yield Difference(f"audit/{name}", "differs from what the run folder gives")
