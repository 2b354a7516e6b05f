"""How many jobs of each rule would run, summed over the runs of a study.

in : Snakemake's options and targets
out: a line for each rule, the most jobs first, and their sum; exit code 0, or Snakemake's where it makes no plan
Run: python -m workflow.count --configfile config/studies/paper.yaml
"""

import sys
from collections import Counter

from workflow.planned_jobs import PlanError, planned_jobs


def main(arguments: list[str]) -> int:
    """Print the counts."""
    try:
        counts = Counter(job.rule for job in planned_jobs(arguments))
    except PlanError as error:
        print(error, file=sys.stderr)
        return error.code
    for rule, count in [*counts.most_common(), ("total", counts.total())]:
        print(f"{count:8}  {rule}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
