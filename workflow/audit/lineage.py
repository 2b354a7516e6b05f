"""Lineage: which stage read what, what every model was trained from, and who trained which steps.

in : the manifests of a run, and the run folders of its trainings
out: one row per manifest, one object per model; the sums that do not add up, each as (manifest, sentence)
Two sums are checked: within a stage (in = out + dropped), and between stages (what one reads is what the stages
before it wrote, where both count the same thing).
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

from workflow.audit.run import Run, read_lines, read_object

HISTORY = "history.jsonl"
# What a stage counts as in, out and dropped.
COUNTED = ("documents", "characters", "tokens")


def data_lineage(run: Run) -> list[dict]:
    """One row per manifest: its counts, and the manifests that made what it read."""
    makers = makers_of(run)
    return [
        {
            "manifest": name,
            "stage": manifest["stage"],
            "made_from": sorted({makers[digest] for digest in stated_digests(manifest["inputs"]) if digest in makers}),
            "counts": manifest["counts"],
            "files": {file: told["sha256"] for file, told in manifest["outputs"].items()},
        }
        for name, manifest in sorted(run.manifests.items())
    ]


def makers_of(run: Run) -> dict[str, str]:
    """{sha256 of a file: the manifest that lists it among its outputs}."""
    return {told["sha256"]: name for name, manifest in run.manifests.items() for told in manifest["outputs"].values()}


def stated_digests(value: object) -> Iterator[str]:
    """Every file hash in the `inputs` of a manifest, however deep."""
    if isinstance(value, Mapping):
        if isinstance(value.get("sha256"), str):
            yield value["sha256"]
        for inner in value.values():
            yield from stated_digests(inner)


def count_faults(run: Run) -> Iterator[tuple[str, str]]:
    """Every sum that does not add up."""
    rows = {row["manifest"]: row for row in data_lineage(run)}
    for name, row in rows.items():
        for what in balanced(row["counts"]):
            told = row["counts"][what]
            lost = sum(told["dropped"].values())
            if told["in"] != told["out"] + lost:
                yield name, f"{what} do not add up: {told['in']} in, {told['out']} out, {lost} dropped"
            yield from edge_faults(name, what, told["in"], [rows[maker]["counts"] for maker in row["made_from"]])


def balanced(counts: Mapping) -> list[str]:
    """The things that a stage counts as in, out and dropped."""
    return [what for what in COUNTED if isinstance(counts.get(what), Mapping) and "dropped" in counts[what]]


def edge_faults(name: str, what: str, read: int, before: list[Mapping]) -> Iterator[tuple[str, str]]:
    """Whether a stage read as many as the stages before it wrote."""
    written = [counts[what]["out"] for counts in before if what in balanced(counts)]
    if written and sum(written) != read:
        yield name, f"{what}: {read} in, but the stages before wrote {sum(written)}"


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
    starts_and_ends = []
    for first, after in pairwise([*starts, len(events)]):
        start, following = events[first], events[after] if after < len(events) else None
        end = next((event for event in events[first + 1 : after] if event["event"] == "end"), None)
        last = following["step"] if following else end["step"] if end else None
        starts_and_ends.append(
            {
                "first_step": start["step"] + 1,
                "last_step": last,
                "ended": "orderly" if end else "killed",
                "started": start["time"],
                "finished": end["time"] if end else None,
                **{key: start[key] for key in ("hosts", "processes", "slurm_job_id", "slurm_restart_count")},
            }
        )
    return starts_and_ends
