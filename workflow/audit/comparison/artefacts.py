"""What two runs have in common to compare, in the order in which a run makes it.

Results count; what tells of a machine or an hour does not (workflow/audit/files.py says which is which). A training's
folder is named after its settings, so its records are found through the model's done.json.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from workflow.audit.comparison.values import Outcome, Tolerance, compare_json, compare_weights
from workflow.audit.files import RESULTS, TRAINING_RECORDS, kind_of
from workflow.audit.run import Run


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
    """Whether a file of a run is a result under a name of its own; trainings are looked up by their models."""
    kind = kind_of(name)
    return bool(kind and kind.compared)


def unknown_files(run: Run) -> list[str]:
    """Files of which nobody knows whether they are results."""
    return [name for name in run.digests if not kind_of(name)]


def place(name: str) -> tuple[int, bool, str]:
    """Where an artefact comes in a run; the records of a training come before the models."""
    of_training = name.startswith("train/")
    return RESULTS.index("model" if of_training else kind_of(name).name), not of_training, name


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
