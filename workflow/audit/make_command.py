"""Write the audit folder of a finished run.

in : the run folder that the output lies in, and its configuration
out: <run>/audit/: SHA256SUMS, run.json, files.tsv, env.json, code.json, lineages, metrics, scores.jsonl, jobs.tsv,
     replay.sh, provenance.intoto.json, the workflow's files, ro-crate-metadata.json
Invariants: the folder appears whole or not at all; no secret gets in; SHA256SUMS covers every file of the run and of
the audit, inputs.SHA256SUMS what the run read from outside (paths relative to the folder where the workflow ran).
Run: python -m workflow.audit make --settings CONFIGURATION --output results/demo/audit
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from contracts.code_places import REPOSITORY
from contracts.errors import InputError
from contracts.files import atomic_folder
from contracts.secrets import scrub_text
from contracts.settings import json_object, yaml_object
from workflow.audit.bundle import derived_texts, json_text
from workflow.audit.crate import METADATA, README, CrateFile, RunStory, crate_text, readme_text
from workflow.audit.files import AUDIT, files_of_run
from workflow.audit.jobs import ask_sacct
from workflow.audit.provenance import code_files, external_inputs, run_facts
from workflow.audit.run import Run, open_run
from workflow.audit.sums import INPUT_SUMS, SUMS, hash_files, sign_sums, sums_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--settings", required=True, metavar="S", help="the whole configuration: YAML file, or JSON text"
    )
    parser.add_argument(
        "--config-files", nargs="*", default=[], metavar="FILE", help="where the configuration came from"
    )
    parser.add_argument("--output", required=True, metavar="FOLDER", help="audit folder to write: <run>/audit")
    parser.add_argument("--sign", type=Path, metavar="KEY", help="sign the audit with this SSH key")


def run(arguments: argparse.Namespace) -> None:
    output = Path(arguments.output)
    if output.name != AUDIT:
        raise InputError(f"--output {output}: an audit lies in its run folder; name it <run folder>/{AUDIT}")
    audited = open_run(output.parent)
    text = arguments.settings
    settings = json_object(text) if text.lstrip().startswith("{") else yaml_object(Path(text))
    made = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    inputs, absent = external_inputs(audited, settings, arguments.config_files)
    accounting = ask_sacct(audited)
    facts = run_facts(audited.root, settings, made=made) | {"inputs_not_at_hand": absent}
    texts = {
        README: readme_text(facts["run"]),
        "run.json": json_text(facts),
        "code.json": json_text(code_files(REPOSITORY)),
        "sacct.json": json_text(accounting),
        INPUT_SUMS: sums_text(inputs),
        **derived_texts(audited, accounting, facts, inputs),
        **workflow_texts(),
    }
    with atomic_folder(output) as folder:
        for name, content in texts.items():
            write_text(folder / name, scrub_text(content))
        write_text(folder / METADATA, scrub_text(describe(audited, facts, inputs, folder)))
        digests = hash_files(files_of_run(folder), folder) | {
            f"../{name}": sha for name, sha in audited.digests.items()
        }
        write_text(folder / SUMS, sums_text(digests))
        if arguments.sign:
            sign_sums(folder, arguments.sign)
    print(f"{output}: {len(audited.digests)} files of the run, {len(inputs)} inputs, {len(audited.jobs)} jobs")


def write_text(path: Path, text: str) -> None:
    """One file of the bundle."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def workflow_texts() -> dict[str, str]:
    """The workflow's own files: what a crate calls its main entity, and the rules that it includes."""
    rules = sorted((REPOSITORY / "workflow/rules").glob("*.smk"))
    files = [REPOSITORY / "workflow/Snakefile", *rules]
    return {path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8") for path in files}


def describe(audited: Run, facts: dict, inputs: dict[str, str], folder: Path) -> str:
    """The crate's metadata for the files that are in the bundle so far, and for what lies beside it."""
    inside = hash_files(files_of_run(folder), folder)
    started, ended = audited.span
    story = RunStory(
        name=facts["run"],
        commit=facts["git"]["commit"],
        remote=facts["git"].get("remote"),
        runner=owner_of(audited.folder),
        snakemake=facts["snakemake"]["snakemake"] or "unknown",
        started=with_offset(started),
        ended=with_offset(ended),
        published=facts["made"],
    )
    work = audited.work_folder()
    bundle = [CrateFile(name, sha, (folder / name).stat().st_size) for name, sha in inside.items()]
    read = [CrateFile(name, sha, (work / name).stat().st_size) for name, sha in inputs.items()]
    results = [
        CrateFile(f"../{name}", sha, (audited.folder / name).stat().st_size) for name, sha in audited.digests.items()
    ]
    return crate_text(story, [*bundle, CrateFile(SUMS, None, None)], read, results)


def owner_of(folder: Path) -> str | None:
    """The name of the account that owns a folder; None where its number has no name here."""
    try:
        return folder.owner()
    except KeyError:
        return None


def with_offset(time: str | None) -> str | None:
    """2026-01-31T12:00:00Z as 2026-01-31T12:00:00+00:00, the only form that the crate's validator knows."""
    return time and f"{time.removesuffix('Z')}+00:00"
