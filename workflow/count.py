"""How many jobs of each rule would run, summed over the runs of a study.

in : Snakemake's options and targets
out: a line for each rule, the most jobs first, and their sum; exit code 0, or Snakemake's where its dry run fails
Run: python -m workflow.count --configfile config/studies/paper.yaml
"""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import yaml

from contracts.errors import InputError, one_line
from workflow.study import is_study, rule_prefix, runs_of_study

# Targets that only collect what others make.
COLLECTING = {"all", "default", "tokens", "packs", "train", "export", "evaluate"}


def main(arguments: list[str]) -> int:
    """Print the counts."""
    try:
        prefixes = run_prefixes(arguments)
    except InputError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    command = [sys.executable, "-m", "snakemake", "-n", "--quiet", "rules", *profile(arguments), *arguments]
    planned = subprocess.run(command, capture_output=True, text=True)
    if planned.returncode:
        print((planned.stdout + planned.stderr).strip(), file=sys.stderr)
        return planned.returncode
    counts = counts_in(planned.stdout, prefixes)
    for rule, count in [*counts.most_common(), ("total", counts.total())]:
        print(f"{count:8}  {rule}")
    return 0


def profile(arguments: list[str]) -> list[str]:
    """A profile for those who name none: which one changes no count."""
    return [] if "--profile" in arguments else ["--profile", "local"]


def run_prefixes(arguments: list[str]) -> list[str]:
    """What the rules of a study's runs begin with; [] where --configfile names no study."""
    place = Path(arguments[arguments.index("--configfile") + 1]) if "--configfile" in arguments[:-1] else None
    if place is None or not place.is_file():
        return []
    config = yaml.safe_load(place.read_text(encoding="utf-8"))
    return [rule_prefix(run) for run in runs_of_study(config)] if is_study(config or {}) else []


def counts_in(text: str, prefixes: list[str]) -> Counter[str]:
    """{rule: jobs} of the table that a dry run prints, the rules of all runs under one name."""
    table = re.search(r"^job +count\n-+ +-+\n(.*?)^total ", text, flags=re.DOTALL | re.MULTILINE)
    counts: Counter[str] = Counter()
    for line in table[1].splitlines() if table else ():
        rule, count = line.split()
        # The longest: a run's name may begin with another's.
        prefix = max((prefix for prefix in prefixes if rule.startswith(prefix)), key=len, default="")
        # In a study, a rule of no run is a stage of all runs.
        if rule.removeprefix(prefix) not in COLLECTING and (prefix or not prefixes):
            counts[rule.removeprefix(prefix)] += int(count)
    return counts


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
