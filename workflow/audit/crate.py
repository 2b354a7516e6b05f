"""ro-crate-metadata.json: the audit folder as a Workflow Run RO-Crate (profile 0.5), for the tools that read those.

in : the names, sizes and hashes of the bundle's files, of the run's results and of its inputs
out: JSON-LD text. Files of the bundle have relative ids. What lies beside the bundle (weights, shards, books) is
named by content, ni:///sha-256;<base64url> (RFC 6920), with its path as `localPath`: no file of gigabytes is copied
into a crate, and no path leads out of it.
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
    snakemake: str
    started: str | None  # ISO 8601
    ended: str | None
    published: str


def crate_text(story: RunStory, bundle: list[CrateFile], inputs: list[CrateFile], results: list[CrateFile]) -> str:
    """The metadata file's text."""
    inside = [file_entity(file) for file in bundle]
    beside = {entity["@id"]: entity for file in [*inputs, *results] for entity in [content_entity(file)]}
    settings = {"@id": "run.json"}
    read = [settings, *({"@id": name} for name in dict.fromkeys(identity(file) for file in inputs))]
    written = [{"@id": name} for name in dict.fromkeys(identity(file) for file in results)]
    graph = [
        descriptor(),
        root(story, [{"@id": entity["@id"]} for entity in [*inside, *beside.values()]]),
        *(profile(url, name) for url, name in PROFILES.items()),
        workflow(story),
        language(story),
        engine(story),
        organizer(),
        licence(),
        *(entity for entity in inside if entity["@id"] != WORKFLOW),
        *beside.values(),
        run_action(story, read, written),
    ]
    return json.dumps({"@context": CONTEXT, "@graph": graph}, indent=1) + "\n"


def identity(file: CrateFile) -> str:
    """The name of a file by its content (RFC 6920)."""
    digest = base64.urlsafe_b64encode(bytes.fromhex(file.sha256)).decode().rstrip("=")
    return f"ni:///sha-256;{digest}"


def file_entity(file: CrateFile) -> dict:
    """A file of the bundle."""
    entity = {"@id": file.path, "@type": "File", "name": PurePosixPath(file.path).name}
    entity["encodingFormat"] = MEDIA_TYPES.get(PurePosixPath(file.path).suffix, "text/plain")
    return entity | known({"sha256": file.sha256, "contentSize": str(file.size) if file.size is not None else None})


def content_entity(file: CrateFile) -> dict:
    """A file that lies beside the bundle."""
    entity = {"@id": identity(file), "@type": "File", "name": file.path, "localPath": file.path}
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
    }


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
    return entity | known({"version": story.commit})


def language(story: RunStory) -> dict:
    """Snakemake, the language."""
    return {
        "@id": SNAKEMAKE,
        "@type": "ComputerLanguage",
        "name": "Snakemake",
        "identifier": {"@id": "https://doi.org/10.1093/bioinformatics/bts480"},
        "url": {"@id": "https://snakemake.readthedocs.io"},
        "version": story.snakemake,
    }


def engine(story: RunStory) -> dict:
    """Snakemake, the program that ran it."""
    return {
        "@id": "#snakemake",
        "@type": "SoftwareApplication",
        "name": "Snakemake",
        "url": {"@id": "https://snakemake.readthedocs.io"},
        "softwareVersion": story.snakemake,
    }


def organizer() -> dict:
    """That this engine ran this workflow."""
    return {
        "@id": "#engine",
        "@type": "OrganizeAction",
        "name": "Snakemake runs the workflow",
        "instrument": {"@id": "#snakemake"},
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
        "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
    }
    return action | known({"startTime": story.started, "endTime": story.ended})
