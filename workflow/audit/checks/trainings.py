"""A training's folder agrees with itself and with the model that it made.

Fingerprint, settings, metrics of every step, checkpoint digests, the model's done.json: each names another, so one
that was exchanged no longer fits.
"""

from collections.abc import Iterator
from pathlib import Path

from contracts.fingerprint import sha256_file, sha256_value
from workflow.audit.checks.difference import Audited, Difference
from workflow.audit.run import Run, read_lines, read_object


def check(audited: Audited) -> Iterator[Difference]:
    """Every training that a model names, and every model that names one."""
    run = audited.run
    for name in sorted(name for name in run.digests if name.endswith("/done.json")):
        model = Path(name).parent.as_posix()
        if model not in run.trainings:
            yield Difference(name, "no run folder here has the fingerprint that it names")
    for model, folder in sorted(run.trainings.items()):
        yield from record_faults(run, model, folder)
        yield from manifest_faults(run, model, folder)
        for checkpoint in sorted(folder.glob("checkpoints/step-*")):
            yield from checkpoint_faults(run, checkpoint)


def record_faults(run: Run, model: str, folder: Path) -> Iterator[Difference]:
    """metrics.jsonl has every step once and is the one that done.json speaks of; the settings are the fingerprint's."""
    done = read_object(run.folder / model / "done.json")
    metrics = folder / "metrics.jsonl"
    name = metrics.relative_to(run.folder).as_posix()
    if not metrics.is_file():
        yield Difference(name, "is missing")
        return
    lines = read_lines(metrics)
    if [line["step"] for line in lines] != list(range(1, done["step"] + 1)):
        yield Difference(name, f"does not hold steps 1 to {done['step']}, each once")
    if sha256_file(metrics) != done["metrics_sha256"]:
        yield Difference(name, f"is not the one that {model}/done.json speaks of")
    if lines and any(lines[-1][key] != done[key] for key in ("step", "loss", "consumed_rows", "consumed_tokens")):
        yield Difference(f"{model}/done.json", f"its numbers are not those of the last line of {name}")
    fingerprint = read_object(folder / "fingerprint.json")["settings"]
    settings = read_object(folder / "settings.json")
    for key in sorted(fingerprint.keys() & settings.keys()):
        if fingerprint[key] != settings[key]:
            path = (folder / "settings.json").relative_to(run.folder).as_posix()
            yield Difference(path, f"{key} is {settings[key]}, the fingerprint has {fingerprint[key]}")


def manifest_faults(run: Run, model: str, folder: Path) -> Iterator[Difference]:
    """The model's manifest tells of the same training as the run folder, and of the packs and start of this run."""
    manifest = run.manifests.get(f"{model}/manifest.json")
    if not manifest:
        return
    fingerprint = read_object(folder / "fingerprint.json")
    for key, told in manifest["inputs"].items():
        if told != fingerprint[key]:
            yield Difference(f"{model}/manifest.json", f"its {key} is not the one of the training's fingerprint")
    start = run.manifests.get("start/manifest.json")
    if start and sha256_value(start["outputs"]) != fingerprint["start"]:
        yield Difference("start/manifest.json", f"{model} was trained from other weights than these")


def checkpoint_faults(run: Run, checkpoint: Path) -> Iterator[Difference]:
    """The checkpoint's files have the digests that it keeps of them, and it has the step of its name."""
    where = checkpoint.relative_to(run.folder).as_posix()
    digests, progress = read_object(checkpoint / "digests.json"), read_object(checkpoint / "progress.json")
    if not digests:
        yield Difference(f"{where}/digests.json", "is missing or broken")
    for file, stated in sorted(digests.items()):
        name = f"{where}/{file}"
        if run.digests.get(name) != stated:
            yield Difference(
                name, "is missing" if name not in run.digests else "has changed: digests.json says another"
            )
    if progress and f"step-{progress['step']:08d}" != checkpoint.name:
        yield Difference(where, f"is named after another step than its own, {progress['step']}")
