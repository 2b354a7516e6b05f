"""Why a stage would run again, in words.

in : a stage (tokens, packs, train, export, evaluate, report, audit; all where none is given) and Snakemake's options;
     in a study a stage is that of all its runs
out: a line for each rule and each set of reasons, with the number of jobs: a file that is newer or gone, settings with
     their old and new values, the definitions whose code is another, or the rule whose result it reads
Nothing is run and nothing is written; Snakemake's plan knows what has changed, this says it.
Run: python -m workflow.why packs --configfile my.yaml
"""

import sys

from workflow.changed_settings import changes, shortened
from workflow.planned_jobs import PlanError, PlannedJob, Reasons, planned_jobs

STAGES = ("tokens", "packs", "train", "export", "evaluate", "report", "audit", "all")
SHOWN = 3


def main(arguments: list[str]) -> int:
    """Print the reasons; exit code 0, or Snakemake's where it makes no plan."""
    stage = arguments.pop(0) if arguments and not arguments[0].startswith("-") else "report"
    if stage not in STAGES:
        print(f"error: no stage {stage}; there are {', '.join(STAGES)}", file=sys.stderr)
        return 2
    try:
        jobs = planned_jobs([stage, *arguments])
    except PlanError as error:
        print(error, file=sys.stderr)
        return error.code
    print(explanation(stage, jobs))
    return 0


def explanation(stage: str, jobs: list[PlannedJob]) -> str:
    """The whole answer: one line for each rule and set of reasons, in the order of the work."""
    if not jobs:
        return f"{stage}: nothing would run again"
    makers = {output: job.rule for job in jobs for output in job.outputs}
    alike: dict[tuple, list[PlannedJob]] = {}
    for job in jobs:
        alike.setdefault((job.rule, *kinds_of(job.reasons, makers)), []).append(job)
    rules = list(dict.fromkeys(job.rule for job in jobs))
    together = sorted(alike.values(), key=lambda same: rules.index(same[0].rule))
    lines = [f"  {same[0].rule}{places(same)}: {'; '.join(words(same, makers))}" for same in together]
    return "\n".join([f"{stage}: {len(jobs)} job{'s' * (len(jobs) != 1)} would run", *lines])


def kinds_of(reasons: Reasons, makers: dict[str, str]) -> tuple:
    """What the reasons of a job are but for its own files: jobs that have it in common stand in one line."""
    return (
        bool(reasons.missing),
        bool(reasons.newer),
        read_rules(reasons, makers),
        tuple(setting_changes(reasons)),
        tuple(other_words(reasons)),
    )


def words(jobs: list[PlannedJob], makers: dict[str, str]) -> list[str]:
    """A phrase for each reason that some jobs of a rule have in common."""
    reasons = jobs[0].reasons
    phrases = list(setting_changes(reasons))
    for kind, one, more in (("missing", "is not there", "are not there"), ("newer", "is newer", "are newer")):
        if files := sorted({file for job in jobs for file in getattr(job.reasons, kind)}):
            phrases.append(f"{shortened(files)} {one if len(files) == 1 else more}")
    if reasons.made_anew:
        rules = read_rules(reasons, makers) or ("another job",)
        phrases.append(f"it reads what {', '.join(rules)} make{'s' * (len(rules) == 1)}")
    return [*phrases, *other_words(reasons)] or ["Snakemake names no reason"]


def setting_changes(reasons: Reasons) -> list[str]:
    """The changed settings and code."""
    return changes(reasons.params_before, reasons.params_now) if reasons.params_before | reasons.params_now else []


def read_rules(reasons: Reasons, makers: dict[str, str]) -> tuple[str, ...]:
    """The rules that make anew what a job reads."""
    return tuple(sorted({makers[file] for file in reasons.made_anew if file in makers}))


def other_words(reasons: Reasons) -> list[str]:
    """The reasons that are one sentence for whatever job."""
    told = (
        (reasons.other_inputs, "it reads other files than before"),
        (reasons.other_command, "the rule's command is another"),
        (reasons.other_environment, "the environment's definition is another"),
        (reasons.forced, "it is forced to"),
    )
    return [phrase for holds, phrase in told if holds]


def places(jobs: list[PlannedJob]) -> str:
    """Which jobs of a rule: run and wildcards of a few, or how many there are."""
    named = sorted(filter(None, (" ".join(filter(None, [job.run, ", ".join(job.wildcards)])) for job in jobs)))
    if len(jobs) > SHOWN:
        return f" ({len(jobs)} jobs)"
    return f" ({' | '.join(named)})" if named else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
