"""What an audit folder holds that can be computed from the run folder alone, as {file name: text}.

`make` writes these texts, and `verify` computes them again and compares: nobody can edit one of them unnoticed.
"""

import json
from collections.abc import Mapping

from workflow.audit.files import files_table
from workflow.audit.jobs import jobs_table, replay_script
from workflow.audit.lineage import data_lineage, training_lineage
from workflow.audit.run import Run, read_object
from workflow.audit.statement import STATEMENT, statement_text

COPIED = ("metrics.jsonl", "validation.jsonl", "history.jsonl")


def derived_texts(run: Run, accounting: Mapping, facts: Mapping, inputs: Mapping[str, str]) -> dict[str, str]:
    """Every derived file. `accounting` is Slurm's, which forgets, `facts` and `inputs` were true when the audit was
    made: verify gives the stored ones.
    """
    return {
        "files.tsv": files_table(list(run.digests)),
        "env.json": json_text(environments(run)),
        "data_lineage.json": json_text(data_lineage(run)),
        "training_lineage.json": json_text(training_lineage(run)),
        "scores.jsonl": "".join(json.dumps(score, sort_keys=True) + "\n" for score in scores(run)),
        "jobs.tsv": jobs_table(run, accounting),
        STATEMENT: statement_text(run, facts, inputs),
        "replay.sh": replay_script(run),
        **metrics(run),
    }


def environments(run: Run) -> list[dict]:
    """Every environment that jobs saw, with the commands that saw it."""
    commands: dict[str, set[str]] = {}
    for job in run.jobs:
        if job.get("environment"):
            commands.setdefault(job["environment"], set()).add(f"{job['program']} {job['arguments'][0]}")
    seen = [
        {"digest": digest, "commands": sorted(names), **run.shared_record("environments", digest)}
        for digest, names in commands.items()
    ]
    return sorted(seen, key=lambda environment: (environment.get("host", ""), environment["commands"]))


def metrics(run: Run) -> dict[str, str]:
    """The records of every training at full precision, byte for byte: {metrics/<model>/<record>: text}."""
    files = {
        f"metrics/{model}/{name}": folder / name for model, folder in sorted(run.trainings.items()) for name in COPIED
    }
    return {name: path.read_text(encoding="utf-8") for name, path in files.items() if path.is_file()}


def scores(run: Run) -> list[dict]:
    """The numbers of every score file at full precision, without its rows."""
    entries = []
    for name in run.digests:
        score = read_object(run.folder / name) if name.endswith("/score.json") else {}
        if "metrics" in score:
            facts = {key: value for key, value in score.items() if isinstance(value, str | int | float)}
            entries.append(facts | {"file": name, "metrics": score["metrics"]})
    return entries


def json_text(value: object) -> str:
    """Indented JSON, keys sorted."""
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"
