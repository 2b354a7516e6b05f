"""What two runs have in common to compare, in the order in which a run makes it.

Results count; what tells of a machine or an hour does not (logs, records, benchmarks, timing, history, checkpoint
bookkeeping). A training's folder is named after its settings, so its records are found through the model's done.json.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from workflow.audit.comparison.outcome import Outcome, Tolerance
from workflow.audit.comparison.values import compare_json
from workflow.audit.comparison.weights import compare_weights
from workflow.audit.run import Run

ORDER = ("tokenizer/", "sets/", "tokens/", "packs/", "start/", "train/", "models/", "samples/", "eval/")
# eval/digests is a cache, its files named after paths, sizes and times; the plan says which job answers what.
NO_RESULTS = ("train/", "records/", "logs/", "benchmarks/", "slurm/", "eval/digests/", "eval/plan.json")
TRAINING_RECORDS = ("metrics.jsonl", "validation.jsonl")
# torch writes a random save id into .metadata, and digests.json hashes it; a pickle of common.pt names the layout.
UNSTABLE = (".metadata", "digests.json", "done.json", "fingerprint.json", "settings.json")


def compare_runs(first: Run, second: Run, tolerance: Tolerance) -> Iterator[Outcome]:
    """One outcome for every artefact that either run has."""
    ours, theirs = artefacts(first), artefacts(second)
    for name in sorted(ours.keys() | theirs.keys(), key=place):
        if name not in ours or name not in theirs:
            told = f"only in {first.folder if name in ours else second.folder}"
            yield Outcome(name, told, told)
        else:
            yield compare_files(name, ours[name], theirs[name], tolerance, (first.root, second.root))


def artefacts(run: Run) -> dict[str, tuple[Path, str]]:
    """{name that both runs use: (file, sha256)}."""
    found = {name: (run.folder / name, sha) for name, sha in run.digests.items() if is_result(name)}
    for model, folder in run.trainings.items():
        for record in TRAINING_RECORDS:
            inside = (folder / record).relative_to(run.folder).as_posix()
            if inside in run.digests:
                found[f"train/{PurePosixPath(model).name}/{record}"] = (folder / record, run.digests[inside])
    return found


def is_result(name: str) -> bool:
    """Whether a file of a run is a result under a name of its own; trainings are looked up by their models.

    Pages, pictures and tables are drawn from the numbers: outside the stages' folders only those count.
    """
    path = PurePosixPath(name)
    if name.startswith(NO_RESULTS) or path.name in UNSTABLE or name.endswith("manifest.json"):
        return False
    return name.startswith(ORDER) or path.suffix in (".json", ".jsonl")


def place(name: str) -> tuple[int, str]:
    """Where an artefact comes in a run; what lies outside the stages' folders comes last."""
    return next((number for number, prefix in enumerate(ORDER) if name.startswith(prefix)), len(ORDER)), name


def compare_files(
    name: str, first: tuple[Path, str], second: tuple[Path, str], tolerance: Tolerance, roots: tuple[str, str]
) -> Outcome:
    """Equal bytes, or what their format says about their difference."""
    if first[1] == second[1]:
        return Outcome(name)
    if name.endswith(".safetensors"):
        return compare_weights(name, first[0], second[0], tolerance)
    if name.endswith((".json", ".jsonl")):
        return compare_json(name, first[0], second[0], tolerance, roots)
    return Outcome(name, "other bytes", "other bytes")
