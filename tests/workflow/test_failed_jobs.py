"""What becomes of a job that fails: bad input is final and told once, anything else is tried again."""

import inspect
from types import SimpleNamespace

import pytest
import snakemake_executor_plugin_slurm

from tests.workflow.conftest import Project
from workflow.failed_jobs import forget_nodes

BOOK = "books/1.txt: not UTF-8 at byte 7; convert the file"
# The real command line and record around a command that always ends in this way.
COMMAND = """
import sys
from contracts import command_line
from contracts.errors import InputError

class Module:
    @staticmethod
    def add_arguments(parser):
        parser.add_argument("--corpus")
        parser.add_argument("--settings")
        parser.add_argument("--output")

    @staticmethod
    def run(arguments):
        {ending}

sys.modules["failing"] = Module
sys.exit(command_line.main("data_prep", {{"tokenizer": ("failing", "x")}}))
"""
RETRIED = ("--profile", "local", "--configfile", "config/demo.yaml", "--retries", "3", "results/demo/tokenizer")
LOG = "results/demo/logs/train_tokenizer.log"


def fail(project: Project, ending: str, *arguments: str) -> str:
    """What Snakemake says where the first command ends like this and may be tried four times."""
    (project.folder / "data_prep/__main__.py").write_text(COMMAND.format(ending=ending), encoding="utf-8")
    failed = project.snakemake(*(arguments or RETRIED))
    assert failed.returncode == 1
    return failed.stdout


def attempts(project: Project, run: str = "demo") -> int:
    """How often the command was run."""
    return len(list((project.folder / f"results/{run}/records/jobs").iterdir()))


@pytest.mark.parametrize(
    ("ending", "complaint"),
    [
        (f'raise InputError("{BOOK}")', BOOK),
        ('open(300 * "long")', "is a text where a path is expected; write it to a file and name that"),
    ],
)
def test_bad_input_is_not_tried_again_and_its_line_with_the_log_is_the_last_of_the_run(fresh, ending, complaint):
    said = fail(fresh, ending)
    assert attempts(fresh) == 1
    last = [line for line in said.splitlines() if line.startswith("error: ")][-1]
    assert last.endswith(f"{complaint} (log: {LOG})")
    assert said.index(last) > said.rindex("jobid: ")
    assert said.count(f"(log: {LOG})") == 1


def test_any_other_failure_is_tried_again_and_every_attempt_leaves_its_log(fresh):
    said = fail(fresh, 'sys.exit(f"{Module.__name__} is broken")')
    assert attempts(fresh) == 4
    logs = sorted(path.name for path in (fresh.folder / LOG).parent.glob("train_tokenizer*"))
    assert logs == ["train_tokenizer.log", *(f"train_tokenizer.log.attempt-{number}" for number in (1, 2, 3))]
    assert "(log:" not in said


def test_what_was_bad_input_in_an_earlier_run_is_tried_again_in_this_one(fresh):
    fail(fresh, f'raise InputError("{BOOK}")')
    said = fail(fresh, "import os; os._exit(1)")
    assert attempts(fresh) == 5
    assert "(log:" not in said


def test_an_audit_which_leaves_no_record_is_made_once_too(project):
    failing = f'import sys\nprint("error: {BOOK}", file=sys.stderr)\nsys.exit(2)\n'
    (project.folder / "workflow/audit/__main__.py").write_text(failing, encoding="utf-8")
    refused = project.snakemake("audit", "--profile", "local", "--configfile", "config/demo.yaml", "--retries", "3")
    assert refused.returncode == 1
    assert refused.stdout.count("Error in rule audit") == 1
    assert f"error: {BOOK} (log: results/demo/logs/audit.log)" in refused.stdout


def test_after_a_failure_no_node_is_excluded_but_those_that_the_profile_names():
    settings = SimpleNamespace(exclude_failed_nodes="broken, node9")
    executor = SimpleNamespace(
        _failed_nodes={"broken", "node[1-4]"}, workflow=SimpleNamespace(executor_settings=settings)
    )
    forget_nodes(executor)
    assert executor._failed_nodes == {"broken"}
    settings.exclude_failed_nodes = None
    forget_nodes(executor)
    assert executor._failed_nodes == set()


def test_the_plugin_keeps_the_nodes_of_failed_jobs_where_they_are_looked_for():
    assert "self._failed_nodes.add(" in inspect.getsource(snakemake_executor_plugin_slurm)
