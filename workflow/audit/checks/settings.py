"""Settings say the same wherever they are written: the audit's configuration, job command lines, manifests."""

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from contracts.fingerprint import sha256_value
from workflow.audit.checks.difference import Audited, Difference
from workflow.audit.run import Run, option

# Settings of a model for which 0 says that they follow from the others; its manifest states what follows.
ZERO_IS_LEFT_OUT = ("head_dim", "num_key_value_heads")


def check(audited: Audited) -> Iterator[Difference]:
    """The configuration against its hash, then every job's settings against what its output says."""
    facts = audited.facts
    if sha256_value(facts.get("settings")) != facts.get("settings_sha256"):
        yield Difference("audit/run.json", "its settings are not those of its settings_sha256")
    for output, job in sorted(audited.run.last_jobs.items()):
        given, name = given_settings(job), manifest_of(audited.run, output)
        if given and name:
            stated = audited.run.manifests[name]["settings"]
            for key, asked, found in disagreements(given, stated):
                yield Difference(name, f"its settings say {key} {found}, its job was given {asked}")


def given_settings(job: dict) -> dict:
    """The settings on a job's command line; empty where they were in a file."""
    text = option(job, "--settings") or ""
    return json.loads(text) if text.startswith("{") else {}


def manifest_of(run: Run, output: str) -> str | None:
    """The manifest that describes an output: in its folder, or beside its file."""
    beside = PurePosixPath(output).with_suffix(".manifest.json").as_posix()
    return next((name for name in (f"{output}/manifest.json", beside) if name in run.manifests), None)


def disagreements(given: Mapping, stated: Mapping, prefix: str = "") -> Iterator[tuple[str, object, object]]:
    """Settings that both name, with other values: (dotted key, given, stated). null, and 0 for
    some, stand for what a stage works out.
    """
    for key in sorted(given.keys() & stated.keys()):
        asked, found = given[key], stated[key]
        if isinstance(asked, Mapping) and isinstance(found, Mapping):
            yield from disagreements(asked, found, f"{prefix}{key}.")
        elif asked is not None and asked != found and not (asked == 0 and key in ZERO_IS_LEFT_OUT):
            yield f"{prefix}{key}", asked, found
