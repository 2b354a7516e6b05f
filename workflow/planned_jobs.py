"""The jobs that would run, from Snakemake's own plan.

in : Snakemake's arguments, as on the command line: targets, and options with those of the profile
out: a `PlannedJob` for each job that would run, in the order of the work; grouped ones too
Nothing is run and nothing is written. Targets that only collect what others make are no jobs.
"""

import contextlib
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from snakemake import cli
from snakemake.api import DAGApi
from snakemake.persistence import NO_PARAMS_CHANGE, ParamsChange
from snakemake.settings.enums import RerunTrigger

from workflow.study import is_study, rule_prefix, runs_of_study

# With exactly these two, a dry run ends where its plan is made.
PLAN_ONLY = ("--dry-run", "--quiet", "rules", "progress")
# What Snakemake says before anything else where a profile is given.
HEADER = re.compile(r"^Using profiles? .*\n")


class PlanError(Exception):
    """No plan was made; holds what Snakemake said, and its exit code."""

    def __init__(self, said: str, code: int) -> None:
        super().__init__(said)
        self.code = code


@dataclass(frozen=True)
class Reasons:
    """Why a job would run, as Snakemake knows it: files, and the params of before and now that are not in both."""

    missing: frozenset[str] = frozenset()
    newer: frozenset[str] = frozenset()
    made_anew: frozenset[str] = frozenset()
    params_before: frozenset[str] = frozenset()
    params_now: frozenset[str] = frozenset()
    other_inputs: bool = False
    other_command: bool = False
    other_environment: bool = False
    forced: bool = False


@dataclass(frozen=True)
class PlannedJob:
    """One job; `run` is empty where the configuration is no study."""

    rule: str
    run: str
    wildcards: tuple[str, ...]
    outputs: tuple[str, ...]
    reasons: Reasons = field(default_factory=Reasons)


def planned_jobs(arguments: list[str]) -> list[PlannedJob]:
    """The plan of a command line; PlanError where Snakemake makes none."""
    plans: list[Any] = []
    said = io.StringIO()
    profile = [] if "--profile" in arguments else ["--profile", "local"]
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        mock.patch.object(DAGApi, "execute_workflow", keeping_plan(plans)),
    ):
        code = dry_run([*arguments, *profile, *PLAN_ONLY])
    if code:
        raise PlanError(HEADER.sub("", said.getvalue().strip()), code)
    return [job for plan in plans for job in jobs_of(plan)]


def keeping_plan(plans: list[Any]) -> Callable:
    """Snakemake's step from a plan to its execution, which keeps the plan besides."""
    execute_workflow = DAGApi.execute_workflow

    def execute_and_keep(dag_api: DAGApi, *arguments: Any, **settings: Any) -> None:
        execute_workflow(dag_api, *arguments, **settings)
        plans.append(dag_api.workflow_api._workflow.dag)

    return execute_and_keep


def dry_run(arguments: list[str]) -> int:
    """Snakemake's exit code; what it raises it has said."""
    try:
        parser, options = cli.parse_args(arguments)
        return 0 if cli.args_to_api(options, parser) else 1
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except Exception as error:
        cli.print_exception(error)
        return 1


def jobs_of(plan: Any) -> Iterator[PlannedJob]:
    """The jobs of a plan that make something."""
    config = plan.workflow.globals["config"]
    runs = {rule_prefix(run): run for run in runs_of_study(config)} if is_study(config) else {}
    for job in in_order(plan):
        if job.output:
            rule, run = named(job.rule.name, runs)
            wildcards = tuple(str(value) for value in job.wildcards_dict.values())
            yield PlannedJob(rule, run, wildcards, tuple(map(str, job.output)), reasons_of(plan, job))


def in_order(plan: Any) -> Iterator[Any]:
    """Snakemake's jobs that would run, what others read first; in the same order every time."""
    for level in plan.toposorted(set(plan.needrun_jobs(exclude_finished=False))):
        yield from sorted(level, key=lambda job: (job.rule.name, str(job.wildcards)))


def named(rule: str, runs: dict[str, str]) -> tuple[str, str]:
    """(rule, run) of a rule's name; the longest prefix counts, since a run's name may begin with another's."""
    prefix = max((prefix for prefix in runs if rule.startswith(prefix)), key=len, default="")
    return rule.removeprefix(prefix), runs.get(prefix, "")


def reasons_of(plan: Any, job: Any) -> Reasons:
    """Snakemake's reasons for a job."""
    reason, params = plan.reason(job), changed_params(plan.workflow, job)
    missing = names(reason.missing_output | reason.incomplete_output)
    return Reasons(
        # Where outputs are gone, their benchmark file goes without saying.
        missing=missing & names(set(job.output)) or missing,
        newer=names(reason.updated_input - reason.updated_input_run),
        made_anew=names(reason.updated_input_run),
        params_before=frozenset(params.only_old),
        params_now=frozenset(params.only_new),
        other_inputs=bool(reason.input_changed),
        other_command=bool(reason.code_changed),
        other_environment=bool(reason.software_stack_changed),
        forced=bool(reason.forced),
    )


def changed_params(workflow: Any, job: Any) -> ParamsChange:
    """The params that changed; Snakemake itself does not look where it has another reason already."""
    past = workflow.persistence
    counts = RerunTrigger.PARAMS in workflow.rerun_triggers
    known = counts and past.has_metadata(job) and not past.has_outdated_metadata(job)
    return past.params_changed(job) if known else NO_PARAMS_CHANGE


def names(files: set[Any]) -> frozenset[str]:
    """Files by their paths."""
    return frozenset(map(str, files))
