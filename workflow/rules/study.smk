# A study: each of its runs is the workflow of that run, with its rules named after it. Targets: a stage, e.g. evaluate,
# of all runs; <run>_<stage> of one, with every other character of the run than a letter or digit as an underscore, e.g.
# paper_lm_llama31_8b_evaluate.
import os
import sys
from pathlib import Path

REPOSITORY = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from contracts.errors import InputError
from workflow.failed_jobs import watch_failures
from workflow.run_config import check_files
from workflow.study import rule_prefix, runs_of_study


def study_of(configuration):
    """The runs of the study; one line where it is none."""
    try:
        check_files(workflow.configfiles)
        return runs_of_study(configuration)
    except InputError as error:
        print(f"error: configuration: {error}", file=sys.stderr)
        sys.exit(2)


def for_every_run(by_rule):
    """What a profile says of a rule, said of this rule of every run."""
    return {**by_rule, **{rule_prefix(run) + rule: said for run in RUNS for rule, said in by_rule.items()}}


def files_of_stage(run, stage):
    """What a run's stage makes; where it only collects, what it collects."""
    of_run = getattr(rules, rule_prefix(run) + stage)
    return list(of_run.output) or list(of_run.input)


RUNS = study_of(config)
STAGES = ("tokens", "packs", "train", "export", "evaluate", "figures", "report", "audit")
RESOURCES = workflow.resource_settings
RESOURCES.overwrite_resources = for_every_run(RESOURCES.overwrite_resources)
RESOURCES.overwrite_threads = for_every_run(RESOURCES.overwrite_threads)


rule all:
    input:
        expand("results/{run}/report.html", run=RUNS),
    localrule: True


for RUN, SETTINGS in RUNS.items():
    PREFIX = rule_prefix(RUN)

    module:
        name: RUN
        snakefile:
            "../Snakefile"
        config:
            SETTINGS

    use rule * from RUN as PREFIX*


# A stage's own name is that stage of all runs.
for STAGE in STAGES:

    rule:
        name:
            STAGE
        input:
            [file for run in RUNS for file in files_of_stage(run, STAGE)],
        localrule: True


onerror:
    watch_failures(workflow).say()


# A job's records lie in the folder of the run whose file it makes.
os.environ.update(MEGATRON_CDT_RECORDS="results/{run}/records")
