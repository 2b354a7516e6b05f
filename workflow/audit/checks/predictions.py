"""Predictions name the model and the samples that they come from: both are those of their place."""

from collections.abc import Iterator

from contracts.fingerprint import sha256_file
from eval.backends.model_files import model_digest
from workflow.audit.checks.difference import Audited, Difference
from workflow.audit.run import Run, option, read_lines

ANSWERING = (("eval", "generate"), ("megatron_cdt", "detect"))


def check(audited: Audited) -> Iterator[Difference]:
    """Every file that a job of answering finished."""
    digests: dict[str, str] = {}
    for output, job in sorted(audited.run.last_jobs.items()):
        if (job["program"], job["arguments"][0]) in ANSWERING and output in audited.run.digests:
            yield from faults(audited.run, output, job, digests)


def faults(run: Run, output: str, job: dict, digests: dict[str, str]) -> Iterator[Difference]:
    """Header against model and samples, answers against samples; `digests` keeps those of models already hashed."""
    model, asked = option(job, "--model"), option(job, "--samples") or option(job, "--data")
    lines = read_lines(run.folder / output)
    samples = run.present(asked)
    header = lines[0] if lines and "samples_sha256" in lines[0] else None
    if header:
        if model not in digests:
            digests[model] = model_digest(run.present(model))
        if header["model_sha256"] != digests[model]:
            yield Difference(output, f"was not answered by {model} as it is: the model's digest differs")
        if header["samples_sha256"] != sha256_file(samples):
            yield Difference(output, f"answers other samples than {asked}")
    answered = [line.get("id") for line in (lines[1:] if header else lines)]
    if answered != [line.get("id") for line in read_lines(samples)]:
        yield Difference(output, f"does not answer every sample of {asked}, once and in order")
