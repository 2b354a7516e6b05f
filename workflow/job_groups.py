"""Which jobs of a run share one Slurm job: cells of one model that are answered in one way, and their scores.

in : `group-components` of the profile (so many cells at most), and what the rules ask for
out: a group for each job; it holds as many cells as take `eval.generation.ahead_minutes` by the rules' `runtime`, at
     least one, because its jobs run one after the other. A rule that asks for another partition, account or the like
     than those before it in its group has a group of its own, since Slurm gives a job one
Invariant: without `group-components` in the profile nothing is grouped, and no group holds jobs of two runs.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from workflow.study import rule_prefix

# {kind: (its rules, the wildcards that its jobs have in common)}
KINDS = {
    "evaluate": (("generate", "detect_critical_tokens", "score"), ("model", "way")),
    "aggregate": (("aggregate",), ("model",)),
}
# Each cell is answered by one of these.
ANSWERING = ("generate", "detect_critical_tokens")


class JobGroups:
    """The groups of one run. Snakemake knows the profile's numbers only when it plans, so they are asked for then."""

    def __init__(self, workflow: Any, run: str, ahead_minutes: float) -> None:
        self.workflow, self.ahead_minutes = workflow, ahead_minutes
        self.run_prefix = rule_prefix(run)

    def of(self, rule: str) -> Callable:
        """The `group` of a rule: a function of a job's wildcards that gives a group's name, or None."""
        kind = next(kind for kind, (rules, _) in KINDS.items() if rule in rules)

        def group(wildcards: Any) -> str | None:
            most = self.workflow.group_settings.group_components.get(kind)
            return self.named(kind, rule, wildcards, most) if most else None

        return group

    def named(self, kind: str, rule: str, wildcards: Any, most: int) -> str:
        """The group of a job; Snakemake is told how many cells a group of this name may hold."""
        group, cells = self.shapes[rule]
        name = "_".join([group, *(getattr(wildcards, key) for key in KINDS[kind][1])])
        settings = self.workflow.group_settings
        if name not in settings.group_components:
            settings.group_components = {**settings.group_components, name: min(most, cells)}
        return name

    @cached_property
    def shapes(self) -> dict[str, tuple[str, int]]:
        """{rule: (how the names of its groups begin, how many cells their time holds)}."""
        prefix = self.run_prefix if self.workflow.is_rule(f"{self.run_prefix}generate") else ""
        shapes = {}
        for kind, (rules, _) in KINDS.items():
            asked = {rule: asked_by(self.workflow.get_rule(prefix + rule), self.workflow.async_run) for rule in rules}
            for group, together in split(prefix + kind, asked).items():
                cells = cells_in({rule: asked[rule] for rule in together}, self.ahead_minutes)
                shapes |= dict.fromkeys(together, (group, cells))
        return shapes


def split(group: str, asked: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """{group: rules} of rules that may share a Slurm job; a rule that may not has the group <group>_<rule>."""
    groups: dict[str, list[str]] = {}
    for rule, own in asked.items():
        together = groups.setdefault(group, [])
        if any(differ(own, asked[other]) for other in together):
            groups[f"{group}_{rule}"] = [rule]
        else:
            together.append(rule)
    return groups


def differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two rules name different partitions, accounts, constraints or the like."""
    pairs = [(one[name], other[name]) for name in set(one) & set(other)]
    return any(own != its for own, its in pairs if isinstance(own, str) or isinstance(its, str))


def cells_in(asked: Mapping[str, Mapping[str, Any]], minutes: float) -> int:
    """How many cells a group may hold: their jobs run one after the other."""
    times = {rule: own.get("runtime") for rule, own in asked.items()}
    if not all(isinstance(time, int | float) and time > 0 for time in times.values()):
        return 1
    answering = max((time for rule, time in times.items() if rule in ANSWERING), default=0)
    cell = answering + sum(time for rule, time in times.items() if rule not in ANSWERING)
    return max(1, int(minutes // cell))


def asked_by(rule: Any, async_run: Callable) -> dict[str, Any]:
    """{resource: value} of a rule at its first attempt; what only a job's wildcards decide is left out."""
    asked = {}
    given = {"attempt": 1, "threads": 1, "input": (), "rulename": rule.name, "async_run": async_run}
    for name, resource in rule.resources.items():
        try:
            asked[name] = resource.evaluate({}, **given).value
        except Exception:  # a person's expression, which may ask for anything of a job
            continue
    return asked
