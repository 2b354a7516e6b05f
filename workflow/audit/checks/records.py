"""What a run says in one place fits what it says in another: settings, trainings, predictions.

Settings: the configuration, job command lines, manifests. Trainings: fingerprint, settings, metrics of every step,
checkpoint digests, the model's done.json. Predictions: the model and the samples that they name.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from contracts.fingerprint import sha256_file, sha256_value
from eval.backends.model_files import model_digest
from workflow.audit.run import Audited, Difference, Run, option, read_lines, read_object

# Settings of a model for which 0 says that they follow from the others; its manifest states what follows.
ZERO_IS_LEFT_OUT = ("head_dim", "num_key_value_heads")
ANSWERING = (("eval", "generate"), ("megatron_cdt", "detect"))


def setting_faults(audited: Audited) -> Iterator[Difference]:
    """The configuration against its hash, then every job's settings against what its output says."""
    facts = audited.facts
    if sha256_value(facts.get("settings")) != facts.get("settings_sha256"):
        yield Difference("audit/run.json", "its settings are not those of its settings_sha256")
    for output, job in sorted(audited.run.last_jobs.items()):
        given, name = given_settings(job), audited.run.manifest_of(output)
        if given and name:
            stated = audited.run.manifests[name]["settings"]
            for key, told, said in disagreements(given, stated):
                yield Difference(name, f"its settings say {key} {said}, its job was given {told}")


def given_settings(job: dict) -> dict:
    """The settings on a job's command line; empty where they were in a file."""
    text = option(job, "--settings") or ""
    return json.loads(text) if text.startswith("{") else {}


def disagreements(given: Mapping, stated: Mapping, prefix: str = "") -> Iterator[tuple[str, object, object]]:
    """Settings that both name, with other values: (dotted key, given, stated). null, and 0 for
    some, stand for what a stage works out.
    """
    for key in sorted(given.keys() & stated.keys()):
        told, said = given[key], stated[key]
        if isinstance(told, Mapping) and isinstance(said, Mapping):
            yield from disagreements(told, said, f"{prefix}{key}.")
        elif told is not None and told != said and not (told == 0 and key in ZERO_IS_LEFT_OUT):
            yield f"{prefix}{key}", told, said


def training_faults(audited: Audited) -> Iterator[Difference]:
    """Every training that a model names, and every model that names one."""
    run = audited.run
    for name in sorted(name for name in run.digests if name.endswith("/done.json")):
        model = Path(name).parent.as_posix()
        if model not in run.trainings:
            yield Difference(name, "no run folder here has the fingerprint that it names")
    for model, folder in sorted(run.trainings.items()):
        yield from record_faults(run, model, folder)
        yield from model_faults(run, model, folder)
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


def model_faults(run: Run, model: str, folder: Path) -> Iterator[Difference]:
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


def prediction_faults(audited: Audited) -> Iterator[Difference]:
    """Every file that a job of answering finished."""
    digests: dict[str, str] = {}
    for output, job in sorted(audited.run.last_jobs.items()):
        if (job["program"], job["arguments"][0]) in ANSWERING and output in audited.run.digests:
            yield from answer_faults(audited.run, output, job, digests)


def answer_faults(run: Run, output: str, job: dict, digests: dict[str, str]) -> Iterator[Difference]:
    """Header against model and samples, answers against samples; `digests` keeps those of models already hashed."""
    model, questions = option(job, "--model"), option(job, "--samples") or option(job, "--data")
    lines = read_lines(run.folder / output)
    samples = run.present(questions)
    header = lines[0] if lines and "samples_sha256" in lines[0] else None
    if header:
        if model not in digests:
            digests[model] = model_digest(run.present(model))
        if header["model_sha256"] != digests[model]:
            yield Difference(output, f"was not answered by {model} as it is: the model's digest differs")
        if header["samples_sha256"] != sha256_file(samples):
            yield Difference(output, f"answers other samples than {questions}")
    answered = [line.get("id") for line in (lines[1:] if header else lines)]
    if answered != [line.get("id") for line in read_lines(samples)]:
        yield Difference(output, f"does not answer every sample of {questions}, once and in order")
