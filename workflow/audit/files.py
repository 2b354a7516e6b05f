"""Every kind of file that a run folder can hold: whether it is a result to compare, and what else knows its content.

in : a path in a run folder      out: its Kind, None where no stage is known to write such a file
A file that only SHA256SUMS knows is self-declared: whoever can write the folder can write it, and its sum, anew.
"""

import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

AUDIT = "audit"
SNAKEMAKE_STAMP = ".snakemake_timestamp"
# The audit's own folder, log and benchmark are written while it is made: it does not speak for them.
OWN_PLACES = (f"{AUDIT}/", f"logs/{AUDIT}.", f"benchmarks/{AUDIT}.")
SELF_DECLARED = "self-declared"


@dataclass(frozen=True)
class Kind:
    """What a file of a run is to an audit."""

    name: str
    places: tuple[str, ...]  # patterns: * is any part of a name, ** anything
    known_by: str = SELF_DECLARED  # what knows its content besides SHA256SUMS
    compared: bool = False  # a result: two runs that are the same have the same


# The first that fits counts; results stand in the order in which a run makes them.
KINDS = (
    Kind("unfinished work", ("**.partial", "**.partial/**")),
    Kind("manifest", ("**/manifest.json", "samples/**.manifest.json"), "the files that it names"),
    # torch writes a random id into it.
    Kind("index of a checkpoint", ("start/.metadata",)),
    Kind("tokenizer", ("tokenizer/**",), "its manifest", compared=True),
    Kind("sets of samples", ("sets/**",), "its manifest", compared=True),
    Kind("tokens", ("tokens/**",), "its manifest", compared=True),
    Kind("ranks of chunks", ("ranks/**",), "its manifest", compared=True),
    Kind("pairs", ("pairs/**",), "its manifest", compared=True),
    Kind("packed rows", ("packs/**", "paired_packs/**"), "its manifest", compared=True),
    Kind("base weights", ("start/**",), "its manifest", compared=True),
    # A training's folder is named after its settings: its records are compared under the name of its model.
    Kind("metrics", ("train/*/*/metrics.jsonl",), "done.json of its model"),
    Kind("validation losses", ("train/*/*/validation.jsonl",)),
    Kind("checkpoint", ("train/*/*/checkpoints/*/**",), "digests.json in its folder"),
    Kind("identity of a training", ("train/*/*/fingerprint.json", "train/*/*/settings.json"), "done.json of its model"),
    Kind("times of a training", ("train/*/*/timing.jsonl", "train/*/*/history.jsonl", "train/*/*/writer.lock")),
    Kind("words of the telemetry", ("train/*/*/telemetry.json",)),
    Kind("curves for a dashboard", ("train/*/*/tensorboard/**", "train/*/*/wandb/**")),
    Kind("end of a training", ("models/*/done.json",), "metrics and fingerprint of its training"),
    Kind("model", ("models/**",), "its manifest", compared=True),
    Kind("samples", ("samples/**.jsonl",), "its manifest", compared=True),
    Kind("predictions", ("eval/**/predictions.jsonl",), "its score", compared=True),
    Kind("second name of predictions", ("eval/**/predictions.jsonl.kept",), "predictions.jsonl beside it"),
    Kind("score", ("eval/**/score.json", "eval/**/aggregate.json"), "computed again", compared=True),
    Kind("plan and caches of the evaluation", ("eval/plan.json", "eval/digests/**")),
    Kind("statistics of the data", ("inspect/**.json",), compared=True),
    Kind("scores of the instruments", ("analysis/**",), "its manifest", compared=True),
    Kind("figures", ("figures/**",), "computed again"),
    Kind("numbers of the report", ("report.json",), "computed again", compared=True),
    Kind("pages of the report", ("report.html", "report.tables/*"), "computed again"),
    Kind("packages that the run was begun with", ("packages.json",)),
    Kind("log", ("logs/**", "slurm/**")),
    Kind("measurement of a job", ("benchmarks/**",)),
    Kind("record of a job", ("records/**",)),
)
RESULTS = [kind.name for kind in KINDS if kind.compared]
# Compared under the name of the model, not under their own.
TRAINING_RECORDS = ("metrics.jsonl", "validation.jsonl")


def kind_of(name: str) -> Kind | None:
    """The kind of a file, by its path in the run folder."""
    return next((kind for kind in KINDS if any(pattern_of(place).fullmatch(name) for place in kind.places)), None)


@cache
def pattern_of(place: str) -> re.Pattern:
    """A place as a regular expression; `**/` also stands for nothing."""
    spelled = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    pieces = re.split(r"(\*\*/|\*\*|\*)", place)
    return re.compile("".join(spelled.get(piece, re.escape(piece)) for piece in pieces))


def files_of_run(run: Path) -> list[str]:
    """Paths relative to `run` of what an audit speaks for, sorted; links to files count as files.

    Left out are the audit's own, Snakemake's stamps, temporary names, and what has no bytes to hash.
    """
    paths = []
    for folder, _, names in os.walk(run):
        relative = Path(folder).relative_to(run)
        paths += [(relative / name).as_posix() for name in names if Path(folder, name).is_file()]
    return sorted(name for name in paths if is_audited(name))


def is_audited(name: str) -> bool:
    """Whether a file of the run belongs to what is audited."""
    return not (name.startswith(OWN_PLACES) or name.endswith(SNAKEMAKE_STAMP) or ".tmp-" in name)


def strangers(run: Path) -> dict[str, str]:
    """{path: what is wrong} of links that lead out of the run folder or nowhere, and of what is no file at all."""
    faults = {}
    inside = run.resolve()
    for folder, folders, names in os.walk(run):
        for path in (Path(folder, name) for name in (*folders, *names)):
            if path.is_symlink() and not path.exists():
                fault = "is a link to nothing"
            elif path.is_symlink() and not path.resolve().is_relative_to(inside):
                fault = f"is a link out of the run, to {path.resolve()}: its bytes are not the run's own"
            elif not path.is_file() and not path.is_dir():
                fault = "is neither a file nor a folder"
            else:
                continue
            faults[path.relative_to(run).as_posix()] = fault
    return {name: fault for name, fault in faults.items() if is_audited(name)}


def files_table(names: list[str]) -> str:
    """files.tsv: the kind of every file of a run, and what knows it besides SHA256SUMS."""
    lines = ["path\tkind\tknown by"]
    for name in names:
        kind = kind_of(name)
        lines.append("\t".join((name, kind.name, kind.known_by) if kind else (name, "unknown", SELF_DECLARED)))
    return "\n".join(lines) + "\n"
