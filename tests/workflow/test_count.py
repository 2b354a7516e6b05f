"""One command counts the jobs of each rule, over all runs of a study."""

import os
import re
import subprocess
import sys

import yaml

from tests.workflow.conftest import Project, jobs_of
from tests.workflow.test_study import small_study
from workflow.planned_jobs import named
from workflow.study import runs_of_study


def count(project: Project, *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "workflow.count", *arguments]
    return subprocess.run(command, cwd=project.folder, capture_output=True, text=True, timeout=240, env=os.environ)


def counted(project: Project, *arguments: str) -> dict[str, int]:
    """{rule: jobs} that the command prints."""
    told = count(project, *arguments)
    assert told.returncode == 0, told.stderr
    return {rule: int(number) for number, rule in re.findall(r"^ *(\d+)  (\w+)$", told.stdout, flags=re.MULTILINE)}


def test_the_counts_of_a_run_are_those_of_its_jobs(fresh):
    listed = fresh.snakemake("-n", "--profile", "local", "--configfile", "config/demo.yaml")
    jobs = [job.split()[0] for job in jobs_of(listed.stdout)]
    expected = {rule: jobs.count(rule) for rule in jobs}
    assert counted(fresh, "--configfile", "config/demo.yaml") == expected | {"total": len(jobs)}


def test_the_counts_of_a_study_are_the_sums_of_its_runs(fresh):
    study = small_study(fresh.folder)
    (fresh.folder / "study.yaml").write_text(yaml.safe_dump(study))
    sums: dict[str, int] = {}
    for run, configuration in runs_of_study(study).items():
        (fresh.folder / f"{run}.yaml").write_text(yaml.safe_dump(configuration))
        for rule, number in counted(fresh, "--configfile", f"{run}.yaml").items():
            sums[rule] = sums.get(rule, 0) + number
    assert counted(fresh, "--configfile", "study.yaml") == sums


def test_a_rule_belongs_to_the_run_with_the_longest_name_that_fits():
    runs = {"a_long_": "a-long", "a_long_b_": "a-long-b"}
    names = {rule: named(rule, runs) for rule in ("a_long_b_report", "a_long_score", "report")}
    assert names == {
        "a_long_b_report": ("report", "a-long-b"),
        "a_long_score": ("score", "a-long"),
        "report": ("report", ""),
    }


def test_a_study_that_is_wrong_is_one_line(fresh):
    (fresh.folder / "study.yaml").write_text("study: s\nsettings: {a: absent.yaml}\nmodels: {b: {}}\n")
    told = count(fresh, "--configfile", "study.yaml")
    complaint = "error: configuration: settings.a: no file absent.yaml; name a configuration file\n"
    assert (told.returncode, told.stderr) == (2, complaint)
