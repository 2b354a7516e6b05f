"""Training lineage: what every model was trained from, under which layout and seeds, and who trained which steps.

in : the run folders that the models' done.json name      out: one object per model
"""

from itertools import pairwise
from pathlib import Path

from workflow.audit.run import Run, read_lines, read_object

HISTORY = "history.jsonl"


def training_lineage(run: Run) -> dict[str, dict]:
    """{model folder: its training}, sorted."""
    return {model: describe_training(run, model, folder) for model, folder in sorted(run.trainings.items())}


def describe_training(run: Run, model: str, folder: Path) -> dict:
    """Everything that decided one model, and how its training went."""
    fingerprint = read_object(folder / "fingerprint.json")
    settings = fingerprint["settings"]
    start = run.manifests.get("start/manifest.json", {})
    checkpoints = sorted(path.name for path in folder.glob("checkpoints/step-*") if path.is_dir())
    return {
        "run_folder": folder.relative_to(run.folder).as_posix(),
        "base_weights": {
            "digest": fingerprint["start"],
            "files": start.get("outputs"),
        },
        "data": {name: fingerprint[name] for name in ("data", "validation", "tokenizer")},
        "code_sha256": fingerprint["code"],
        "earlier_code": fingerprint.get("earlier_code", []),
        "device": fingerprint["device"],
        "layout": settings["layout"],
        "seed": settings["seed"],
        "settings": settings,
        "end": read_object(run.folder / model / "done.json"),
        "checkpoints": checkpoints,
        "attempts": attempts(folder),
    }


def attempts(folder: Path) -> list[dict]:
    """Who trained which steps: one object per start, with the steps that count (work that was lost is not in it)."""
    path = folder / HISTORY
    events = read_lines(path) if path.is_file() else []
    starts = [place for place, event in enumerate(events) if event["event"] == "start"]
    found = []
    for first, after in pairwise([*starts, len(events)]):
        start, following = events[first], events[after] if after < len(events) else None
        end = next((event for event in events[first + 1 : after] if event["event"] == "end"), None)
        last = following["step"] if following else end["step"] if end else None
        found.append(
            {
                "first_step": start["step"] + 1,
                "last_step": last,
                "ended": "orderly" if end else "killed",
                "started": start["time"],
                "finished": end["time"] if end else None,
                **{key: start[key] for key in ("hosts", "processes", "slurm_job_id", "slurm_restart_count")},
            }
        )
    return found
