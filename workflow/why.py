"""Why a stage would run again, in words.

in : a stage (tokens, packs, train, export, evaluate, report; all where none is given) and Snakemake's options
out: a line for each rule that would run, with its reasons: a file that is newer or gone, a setting with its old and new
     value, the definitions whose code is another, or the rule whose result it reads
Nothing is run and nothing is written; Snakemake's dry run knows what has changed, this says it.
Run: python -m workflow.why packs --configfile my.yaml
"""

import ast
import json
import re
import subprocess
import sys
from dataclasses import dataclass

from contracts.fingerprint import first_difference
from workflow.command_code import code_changes

STAGES = ("tokens", "packs", "train", "export", "evaluate", "report", "all")
SHA256 = re.compile(r"[0-9a-f]{64}")
# Targets that only collect what others make.
COLLECTING = {*STAGES, "default"} - {"report"}
CHANGED_PARAMS = re.compile(r"Params have changed since last execution: .*?before: (.*?) now: (.*?) *(?=; [A-Z]|$)")
FILES = {
    "Missing output files": "{} is not there",
    "Updated input files": "{} is newer",
}
OTHERS = {
    "Set of input files has changed": "it reads other files than before",
    "Code has changed": "the rule's command is another",
    "Software environment definition has changed": "the environment's definition is another",
    "Forced execution": "it is forced to",
}
SHOWN = 3


@dataclass(frozen=True)
class Job:
    """One job of a dry run."""

    rule: str
    wildcards: str
    outputs: tuple[str, ...]
    reason: str


def main(arguments: list[str]) -> int:
    """Print the reasons; exit code 0, or Snakemake's where its dry run fails."""
    stage = arguments.pop(0) if arguments and not arguments[0].startswith("-") else "report"
    if stage not in STAGES:
        print(f"error: no stage {stage}; there are {', '.join(STAGES)}", file=sys.stderr)
        return 2
    profile = [] if "--profile" in arguments else ["--profile", "local"]
    command = [sys.executable, "-m", "snakemake", stage, "-n", *profile, *arguments]
    asked = subprocess.run(command, capture_output=True, text=True)
    if asked.returncode:
        print((asked.stdout + asked.stderr).strip(), file=sys.stderr)
        return asked.returncode
    print(explanation(stage, jobs_of(asked.stdout)))
    return 0


def jobs_of(text: str) -> list[Job]:
    """The jobs that a dry run prints, without the targets that only collect."""
    jobs = []
    for block in re.split(r"\n(?=(?:local)?rule \w+:\n)", text)[1:]:
        fields = dict(re.findall(r"^    (\w+): (.*)$", block.split("\n[")[0], flags=re.MULTILINE))
        rule = re.match(r"(?:local)?rule (\w+):", block)[1]
        values = ", ".join(pair.split("=")[1] for pair in fields.get("wildcards", "").split(", ") if pair)
        jobs.append(Job(rule, values, tuple(fields.get("output", "").split(", ")), fields.get("reason", "")))
    return [job for job in jobs if job.rule not in COLLECTING]


def explanation(stage: str, jobs: list[Job]) -> str:
    """The whole answer: one line for each rule and set of reasons, in the order of the work."""
    if not jobs:
        return f"{stage}: nothing would run again"
    makers = {output: job.rule for job in jobs for output in job.outputs}
    lines: dict[tuple[str, str], list[str]] = {}
    for job in jobs:
        lines.setdefault((job.rule, "; ".join(reasons_in_words(job.reason, makers))), []).append(job.wildcards)
    count = f"{len(jobs)} job{'s' * (len(jobs) != 1)}"
    return "\n".join(
        [f"{stage}: {count} would run", *(f"  {rule}{places(cells)}: {why}" for (rule, why), cells in lines.items())]
    )


def places(wildcards: list[str]) -> str:
    """Which jobs of a rule: the wildcards of a few, or how many there are."""
    named = sorted(values for values in wildcards if values)
    if len(named) > SHOWN:
        return f" ({len(named)} jobs)"
    return f" ({' | '.join(named)})" if named else ""


def reasons_in_words(reason: str, makers: dict[str, str]) -> list[str]:
    """One phrase for each of Snakemake's reasons."""
    words = [word for before, now in CHANGED_PARAMS.findall(reason) for word in changes(listed(before), listed(now))]
    for part in CHANGED_PARAMS.sub("", reason).split("; "):
        title, _, files = part.partition(": ")
        if title in FILES:
            words.append(FILES[title].format(shortened(files.split(", "))))
        elif title == "Input files updated by another job":
            rules = sorted({makers[file] for file in files.split(", ") if file in makers})
            words.append(f"it reads what {', '.join(rules) or 'another job'} makes")
        else:
            words += [phrase for start, phrase in OTHERS.items() if part.startswith(start)]
    return words or [reason]


def shortened(names: list[str]) -> str:
    """A few names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def listed(text: str) -> list:
    """The values of one side of a change, which Snakemake prints as Python literals with commas between."""
    return [] if text.startswith("<") else list(ast.literal_eval(f"({text},)"))


def changes(before: list, now: list) -> list[str]:
    """What is another between the old and the new parameters: settings by their keys, code by its modules."""
    words = []
    for old, new in zip(sections_of(before), sections_of(now), strict=False):
        if difference := first_difference(old, new):
            words.append(f"the setting {difference}")
    old_code, new_code = ([value for value in side if is_digest(value)] for side in (before, now))
    for old, new in zip(old_code, new_code, strict=False):
        words.append(f"the code is another: {shortened(code_changes(old, new))}")
    return words or [f"a parameter was {shortened([*map(str, before)])} and is {shortened([*map(str, now)])}"]


def sections_of(values: list) -> list[dict]:
    """The parameters that are sections of the settings (JSON objects)."""
    texts = [value for value in values if isinstance(value, str) and value.startswith("{")]
    return [json.loads(text) for text in texts]


def is_digest(value: object) -> bool:
    """Whether a parameter is a fingerprint of code."""
    return isinstance(value, str) and bool(SHA256.fullmatch(value))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
