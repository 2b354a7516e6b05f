# A study: each of its runs is the workflow of that run, with its rules named after it. Targets: a run's name for all of
# it, or <run>_<stage>, e.g. paper-lm-llama_evaluate.
import re
import sys
from pathlib import Path

REPOSITORY = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from contracts.errors import InputError
from workflow.study import runs_of_study


def study_of(configuration):
    """The runs of the study; one line where it is none."""
    try:
        return runs_of_study(configuration)
    except InputError as error:
        print(f"error: configuration: {error}", file=sys.stderr)
        sys.exit(2)


RUNS = study_of(config)


rule all:
    input:
        expand("results/{run}/report.html", run=RUNS),
    localrule: True


for RUN, SETTINGS in RUNS.items():
    PREFIX = f"{re.sub(r'[^A-Za-z0-9]', '_', RUN)}_"

    module:
        name: RUN
        snakefile:
            "../Snakefile"
        config:
            SETTINGS

    use rule * from RUN as PREFIX*
