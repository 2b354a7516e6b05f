"""The four gates: what a pair of runs can show about reproducibility, and what it shows.

repeatability        same settings, layout and machine, neither interrupted: equal bytes are asked for
restart replay       the same, but a training was stopped or killed and went on: equal bytes
layout equivalence   the processes of a training are laid out in another way: a tolerance
host change          other machines, processors, GPUs or drivers: a tolerance (and equal bytes where they are found)
"""

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.fingerprint import first_difference
from workflow.audit.comparison.artefacts import Outcome
from workflow.audit.lineage import training_lineage
from workflow.audit.run import Run

EXACT = ("repeatability", "restart replay")
TOLERANT = ("layout equivalence", "host change")
GATES = (*EXACT, *TOLERANT)
MACHINE = ("host", "processor", "gpus", "driver")


@dataclass(frozen=True)
class Verdict:
    """What one gate says: `passed` is None where this pair of runs cannot show it."""

    gate: str
    passed: bool | None
    sentence: str


@dataclass(frozen=True)
class Facts:
    """What decides which gates a run can take part in."""

    name: str
    settings: Mapping  # {model: settings of its training without the layout}
    layouts: Mapping
    resumed: list[str]
    machines: set[str]  # empty where no record says where anything was made
    code: Mapping  # {file: the hash of its code}
    modules: Mapping  # {file: {module: sha256}}, of all that the jobs had loaded that made it
    packages: Mapping


def facts_of(run: Run, other: Run) -> Facts:
    """The facts of a run, as far as they bear on what it has in common with another.

    Records of jobs whose output is gone, or was made anew by a later one, say nothing about what is there.
    """
    trainings = training_lineage(run)
    common = run.makers.keys() & other.makers.keys() or run.makers.keys()
    jobs = [job for output in sorted(common) for job in run.makers[output]]
    environments = [run.shared_record("environments", digest) for digest in dict.fromkeys(digests(jobs, "environment"))]
    return Facts(
        name=str(run.folder),
        settings={
            model: {key: value for key, value in told["settings"].items() if key != "layout"}
            for model, told in trainings.items()
        },
        layouts={model: told["layout"] for model, told in trainings.items()},
        resumed=[model for model, told in trainings.items() if len(told["attempts"]) > 1],
        machines={str([seen.get(key) for key in MACHINE]) for seen in environments if seen},
        code={name: told["code_sha256"] for name, told in run.named_codes.items() if "code_sha256" in told},
        modules={run.manifest_of(output) or output: modules_of(run, run.makers[output]) for output in sorted(common)},
        packages={name: version for seen in environments for name, version in seen.get("packages", {}).items()},
    )


def digests(jobs: list[dict], kind: str) -> list[str]:
    """The digests of the environments, or of the code, that jobs refer to."""
    return [job[kind] for job in jobs if job.get(kind)]


def modules_of(run: Run, jobs: list[dict]) -> dict[str, str]:
    """{module: sha256} of all that some jobs had loaded."""
    loaded = [run.shared_record("code", digest) for digest in digests(jobs, "code")]
    return {name: digest for modules in loaded for name, digest in modules.items()}


def verdicts(first: Facts, second: Facts, outcomes: list[Outcome]) -> list[Verdict]:
    """One verdict per gate."""
    hindrances = {gate: hindrance(gate, first, second) for gate in GATES}
    return [
        Verdict(gate, None, f"not shown: {hindrances[gate]}") if hindrances[gate] else verdict(gate, outcomes)
        for gate in GATES
    ]


def hindrance(gate: str, first: Facts, second: Facts) -> str | None:
    """Why this pair cannot show a gate; None where it can."""
    other_layout, resumed = first.layouts != second.layouts, bool(first.resumed or second.resumed)
    other_machine = first.machines != second.machines
    untold = next((facts.name for facts in (first, second) if not facts.machines), None)
    if gate == "layout equivalence":
        return None if other_layout else "the layouts are the same"
    if untold and not (other_layout and gate in EXACT):
        return f"{untold} has no records of its jobs, so that nobody knows where it ran"
    if gate == "host change":
        return None if other_machine else "both ran on the same machines"
    if other_layout or other_machine:
        return "the layouts differ" if other_layout else "the machines differ"
    if gate == "repeatability":
        return "a training was interrupted" if resumed else None
    return None if resumed else "no training was interrupted"


def verdict(gate: str, outcomes: list[Outcome]) -> Verdict:
    """What the outcomes say; the first artefact beyond what the gate allows is named."""
    exact = gate in EXACT
    bad = next((outcome for outcome in outcomes if (outcome.deviation if exact else outcome.difference)), None)
    if bad:
        return Verdict(gate, False, f"different: first in {bad.artefact}: {bad.deviation if exact else bad.difference}")
    inexact = [outcome for outcome in outcomes if not outcome.identical]
    if not inexact:
        same = sum(outcome.same_bytes for outcome in outcomes)
        rest = f", {len(outcomes) - same} but for the hashes that they name" if same < len(outcomes) else ""
        return Verdict(gate, True, f"identical: {len(outcomes)} artefacts, {same} byte for byte{rest}")
    largest = max(outcome.largest for outcome in inexact)
    told = f"{len(inexact)} of {len(outcomes)} artefacts deviate, by at most {largest:.2e} relative"
    return Verdict(gate, True, f"within tolerance: {told}; first in {inexact[0].artefact}: {inexact[0].deviation}")


def differences_of_facts(first: Facts, second: Facts) -> list[str]:
    """In what two runs differ before any result: the first setting (the layout aside), code and package."""
    differences = {
        "settings differ": first_difference(first.settings, second.settings),
        "code differs": difference_of_code(first, second),
        "packages differ": first_difference(first.packages, second.packages) if both(first, second) else None,
    }
    return [f"{what}: {difference}" for what, difference in differences.items() if difference]


def both(first: Facts, second: Facts) -> bool:
    """Whether both runs say in what their jobs ran."""
    return bool(first.packages and second.packages)


def difference_of_code(first: Facts, second: Facts) -> str | None:
    """The first output of both runs that was made by other code, by the module that differs where records say which."""
    for name in sorted(first.code.keys() & second.code.keys()):
        if first.code[name] != second.code[name]:
            ours, theirs = first.modules.get(name, {}), second.modules.get(name, {})
            loaded = ours.keys() & theirs.keys()
            module = first_difference({key: ours[key] for key in loaded}, {key: theirs[key] for key in loaded})
            return module or f"{name}: {first.code[name]!r} -> {second.code[name]!r}"
    return None
