# What the rules share: the checked configuration, and the plan of the run (workflow/run_plan.py).
# No torch and no pydantic here: on a cluster every job parses this again.
import os
import shlex
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from contracts.errors import InputError
from contracts.files import atomic_text
from contracts.fingerprint import canonical_json
from data_prep.sources import ENCODERS
from workflow.devices import on_devices
from workflow.failed_jobs import watch_failures
from workflow.job_groups import JobGroups
from workflow.rule_functions import asked_often, more_at_each_attempt, no_reason
from workflow.run_config import (
    check_against_schema,
    check_folder,
    check_files,
    check_places,
    fill_defaults,
    read_schema,
)
from workflow.packages import StagePackages
from workflow.run_plan import STAGE_FOLDERS, RunPlan, any_of, launcher
from workflow.sole_run import claim_folder

# The stages find the repository's packages from any working directory, and run in the Python that runs Snakemake
# unless Snakemake was told to make a conda environment for them.
PYTHON = "" if workflow.deployment_settings.deployment_method else f"{Path(sys.executable).parent}"
shell.prefix(
    f"set -euo pipefail; export PYTHONPATH={shlex.quote(str(REPOSITORY))}; "
    + (f'export PATH={shlex.quote(PYTHON)}:"$PATH"; ' if PYTHON else "")
)


def checked(settings):
    """The schema, once the configuration is whole; one line and exit code 2 where it is wrong: no traceback helps."""
    schema = read_schema()
    try:
        check_files(workflow.configfiles if workflow.is_main_process else ())
        check_against_schema(settings, schema)
        fill_defaults(settings, schema, schema["$defs"])
        check_places(settings)
    except InputError as error:
        print(f"error: configuration: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    return schema


def check_at_the_start():
    """Stop before the first job where two sections contradict each other, or jobs cannot find the folder."""
    try:
        if workflow.non_local_exec:
            check_folder(str(REPOSITORY))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    command = [sys.executable, "-m", "workflow.configuration", canonical_json(config)]
    if (ended := subprocess.run(command, env=os.environ | {"PYTHONPATH": str(REPOSITORY)})).returncode:
        sys.exit(ended.returncode)


SCHEMA = checked(config)
# A dry run only looks, and a job belongs to the Snakemake that submitted it.
CLAIM = claim_folder() if workflow.is_main_process and not workflow.output_settings.dryrun else None
FAILURES = watch_failures(workflow) if CLAIM else None
plan = RunPlan(config, SCHEMA, record_code=bool(CLAIM))
packages = StagePackages(config["packages"], plan.results, tuple(sys.path) if PYTHON else ())
groups = JobGroups(workflow, plan.run, config["eval"]["generation"]["ahead_minutes"])
# Every command leaves a record of itself here (contracts/job_record.py); no rule declares or reads it.
os.environ.update(MEGATRON_CDT_RECORDS=f"{plan.results}/records")
# No job's input: it decides when an answer is computed, and nothing about it.
SHARED_MODELS = f"{plan.results}/eval/plan.json"
if CLAIM:
    atomic_text(SHARED_MODELS, plan.shared_models())
    packages.keep()
