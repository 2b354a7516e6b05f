"""ro-crate-metadata.json: the audit folder as a Workflow Run RO-Crate (profile 0.5), for the tools that read those.

in : the names, sizes and hashes of the bundle's files, of the run's results and of its inputs
out: JSON-LD text. Files of the bundle are its parts. What lies beside the bundle (weights, shards, books) is neither in
the crate nor on the web: it is told of, with its content's name (ni:///sha-256;<base64url>, RFC 6920) as `identifier`
and its path as `localPath`. No file of gigabytes is copied into a crate, and no path leads out of it.
What nobody knows is left out: who publishes the audit, a version of the workflow where there is no commit.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

# Two terms are newer than RO-Crate 1.1: they are defined here, so that a reader needs no second context.
CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    {
        "sha256": "https://w3id.org/ro/terms/workflow-run#sha256",
        "localPath": "https://w3id.org/ro/terms#localPath",
    },
]
METADATA = "ro-crate-metadata.json"
README = "README.md"
SNAKEMAKE_PAGE = "https://snakemake.readthedocs.io"
WORKFLOW = "workflow/Snakefile"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
LICENCE = "https://spdx.org/licenses/Apache-2.0"
MEDIA_TYPES = {
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".tsv": "text/tab-separated-values",
    ".html": "text/html",
    ".md": "text/markdown",
    ".sh": "application/x-sh",
    ".txt": "text/plain",
}


@dataclass(frozen=True)
class CrateFile:
    """A file: its path (in the bundle, or beside it), its sha256 and its size in bytes; None where not known."""

    path: str
    sha256: str | None
    size: int | None


@dataclass(frozen=True)
class RunStory:
    """What a crate says about the run as a whole."""

    name: str
    commit: str | None
    remote: str | None
    runner: str | None  # the account that owns the results
    snakemake: str
    started: str | None  # ISO 8601 with an offset
    ended: str | None
    published: str


def crate_text(story: RunStory, bundle: list[CrateFile], inputs: list[CrateFile], results: list[CrateFile]) -> str:
    """The metadata file's text."""
    inside = [file_entity(file) for file in bundle]
    beside = {entity["@id"]: entity for file in [*inputs, *results] for entity in [content_entity(file)]}
    settings = {"@id": "run.json"}
    read = [settings, *({"@id": name} for name in dict.fromkeys(content_id(file) for file in inputs))]
    written = [{"@id": name} for name in dict.fromkeys(content_id(file) for file in results)]
    graph = [
        descriptor(),
        root(story, [{"@id": entity["@id"]} for entity in inside]),
        *(profile(url, name) for url, name in PROFILES.items()),
        workflow(story),
        language(story),
        engine(story),
        organizer(),
        *([runner(story)] if story.runner else []),
        licence(),
        *(entity for entity in inside if entity["@id"] != WORKFLOW),
        *beside.values(),
        run_action(story, read, written),
    ]
    return json.dumps({"@context": CONTEXT, "@graph": graph}, indent=1) + "\n"


def readme_text(name: str) -> str:
    """README.md of the bundle: what a person who opens it wants to know first."""
    return (
        f"# Audit of the run {name}\n\n"
        "What a run of a long-context training workflow was made of. `SHA256SUMS` has the hash of every file of the\n"
        "run and of this folder: `sha256sum -c SHA256SUMS` checks them here. `python -m workflow.audit verify`\n"
        "computes again what can be. `files.tsv` says of each file what else than its hash knows it.\n"
        f"`{METADATA}` describes the folder as a Workflow Run RO-Crate.\n"
    )


def content_id(file: CrateFile) -> str:
    """What the crate calls a file that lies beside it."""
    return f"#sha256-{file.sha256}"


def content_name(file: CrateFile) -> str:
    """The name of a file by its content (RFC 6920)."""
    digest = base64.urlsafe_b64encode(bytes.fromhex(file.sha256)).decode().rstrip("=")
    return f"ni:///sha-256;{digest}"


def file_entity(file: CrateFile) -> dict:
    """A file of the bundle."""
    entity = {"@id": file.path, "@type": "File", "name": PurePosixPath(file.path).name}
    entity["encodingFormat"] = MEDIA_TYPES.get(PurePosixPath(file.path).suffix, "text/plain")
    about = {"about": {"@id": "./"}} if file.path == README else {}
    size = str(file.size) if file.size is not None else None
    return entity | about | known({"sha256": file.sha256, "contentSize": size})


def content_entity(file: CrateFile) -> dict:
    """A file that lies beside the bundle."""
    entity = {"@id": content_id(file), "@type": "CreativeWork", "name": file.path, "localPath": file.path}
    entity["identifier"] = content_name(file)
    entity["encodingFormat"] = MEDIA_TYPES.get(PurePosixPath(file.path).suffix, "application/octet-stream")
    return entity | known({"sha256": file.sha256, "contentSize": str(file.size)})


def known(values: Mapping[str, str | None]) -> dict[str, str]:
    """What is known of these; what is not is left out rather than invented."""
    return {key: value for key, value in values.items() if value is not None}


def descriptor() -> dict:
    """What the metadata file says about itself."""
    return {
        "@id": METADATA,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": [
            {"@id": "https://w3id.org/ro/crate/1.1"},
            {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"},
        ],
    }


def root(story: RunStory, parts: list[dict]) -> dict:
    """The crate itself."""
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Audit of the run {story.name}",
        "description": "What a run of a long-context training workflow was made of: settings, environments, data "
        "lineage, training lineage, metrics, jobs, and the hashes of every file.",
        "datePublished": story.published,
        "license": {"@id": LICENCE},
        "conformsTo": [{"@id": url} for url in PROFILES],
        "mainEntity": {"@id": WORKFLOW},
        "hasPart": [{"@id": WORKFLOW}, *(part for part in parts if part["@id"] != WORKFLOW)],
        "mentions": {"@id": "#run"},
    } | ({"author": {"@id": "#runner"}} if story.runner else {})


def profile(url: str, name: str) -> dict:
    """A profile that the crate conforms to."""
    return {"@id": url, "@type": "CreativeWork", "name": name, "version": url.rsplit("/", 1)[-1]}


def licence() -> dict:
    """The licence of the workflow, and of what the audit says."""
    return {"@id": LICENCE, "@type": "CreativeWork", "name": "Apache License 2.0", "identifier": "Apache-2.0"}


def workflow(story: RunStory) -> dict:
    """The Snakefile, the crate's main entity."""
    entity = {
        "@id": WORKFLOW,
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": "Long-context post-training with Context Denoising Training",
        "programmingLanguage": {"@id": SNAKEMAKE},
        "encodingFormat": "text/x-snakemake",
    }
    url = story.remote if story.remote and story.remote.startswith("https://") else None
    return entity | known({"version": story.commit, "url": url})


def language(story: RunStory) -> dict:
    """Snakemake, the language."""
    return {
        "@id": SNAKEMAKE,
        "@type": "ComputerLanguage",
        "name": "Snakemake",
        "identifier": {"@id": "https://doi.org/10.1093/bioinformatics/bts480"},
        "url": {"@id": SNAKEMAKE_PAGE},
        "version": story.snakemake,
    }


def engine(story: RunStory) -> dict:
    """Snakemake, the program that ran it."""
    return {
        "@id": SNAKEMAKE_PAGE,
        "@type": "SoftwareApplication",
        "name": "Snakemake",
        "url": SNAKEMAKE_PAGE,
        "softwareVersion": story.snakemake,
    }


def organizer() -> dict:
    """That this engine ran this workflow."""
    return {
        "@id": "#engine",
        "@type": "OrganizeAction",
        "name": "Snakemake runs the workflow",
        "instrument": {"@id": SNAKEMAKE_PAGE},
        "result": {"@id": "#run"},
    }


def run_action(story: RunStory, read: list[dict], written: list[dict]) -> dict:
    """The run: what it read, what it made, when."""
    action = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"Run {story.name}",
        "description": "Every stage from documents to a report; jobs.tsv lists the jobs, replay.sh their commands.",
        "instrument": {"@id": WORKFLOW},
        "object": read,
        "result": written,
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    agent = {"agent": {"@id": "#runner"}} if story.runner else {}
    return action | agent | known({"startTime": story.started, "endTime": story.ended})


def runner(story: RunStory) -> dict:
    """Who ran it, as far as a file system knows."""
    return {
        "@id": "#runner",
        "@type": "Person",
        "name": story.runner,
        "description": "The account that owns the results, on the machine where the audit was made.",
    }
