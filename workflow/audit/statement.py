"""provenance.intoto.json: the run as an in-toto Statement v1 with SLSA provenance v1, for the tools that read those.

in : a run, its facts (run.json), {path: sha256} of what it read
out: JSON text; its subjects are the results of the run, its builder says that nobody but the runner vouches for it
It is unsigned: SHA256SUMS covers it, so a signature over the sums covers it too, and `cosign attest-blob --statement`
makes an envelope of it. Formats: in-toto.io/Statement/v1, slsa.dev/provenance/v1.
"""

import json
from collections.abc import Mapping

from workflow.audit.files import kind_of
from workflow.audit.run import Run

STATEMENT = "provenance.intoto.json"
# There is no build platform that could vouch for a run: whoever ran it did.
BUILDER = "urn:megatron-cdt:self-run"
BUILD_TYPE = "urn:megatron-cdt:workflow-run:v1"


def statement_text(run: Run, facts: Mapping, inputs: Mapping[str, str]) -> str:
    """The statement."""
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [described(name, digest) for name, digest in run.digests.items() if is_subject(name)],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"buildDefinition": build_definition(facts, inputs), "runDetails": run_details(run, facts)},
    }
    return json.dumps(statement, indent=1, sort_keys=True, allow_nan=False) + "\n"


def is_subject(name: str) -> bool:
    """Results, and what is computed from them."""
    kind = kind_of(name)
    return bool(kind and (kind.compared or kind.known_by == "computed again"))


def described(name: str, digest: str) -> dict:
    """A resource descriptor."""
    return {"name": name, "digest": {"sha256": digest}}


def build_definition(facts: Mapping, inputs: Mapping[str, str]) -> dict:
    """What was asked for, and what it was made from."""
    git = facts["git"]
    code = {"name": "code", "digest": {"gitCommit": git["commit"]}} if git["commit"] else None
    if code and git.get("remote"):
        code["uri"] = f"git+{git['remote']}@{git['commit']}"
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": {
            "command_line": facts["command_line"],
            "settings": facts["settings"],
            "workflow": "workflow/Snakefile",
        },
        "internalParameters": {
            "difference_sha256": git.get("difference_sha256"),  # of a dirty working tree
            "inputs_not_at_hand": facts["inputs_not_at_hand"],
        },
        "resolvedDependencies": [*([code] if code else []), *(described(*item) for item in sorted(inputs.items()))],
    }


def run_details(run: Run, facts: Mapping) -> dict:
    """Who ran it, with what, when; the times are those of the first and the last job on record."""
    versions = {name: version for name, version in facts["snakemake"].items() if version}
    started, ended = run.span
    times = {"startedOn": started, "finishedOn": ended}
    return {
        "builder": {"id": BUILDER, "version": versions},
        "metadata": {
            "invocationId": f"{facts['root']} {facts['settings_sha256']}",
            **{key: time for key, time in times.items() if time},
        },
    }
