"""`python -m workflow.why` says in words why a stage would run again."""

import os
import subprocess
import sys

import pytest

from tests.workflow.conftest import WHOLE_RUN, Project
from workflow.why import changes, jobs_of, places, reasons_in_words


def why(project: Project, *arguments: str) -> str:
    """What the command says in a project."""
    asked = subprocess.run(
        [sys.executable, "-m", "workflow.why", *arguments],
        cwd=project.folder,
        env=os.environ | {"PYTHONPATH": str(project.folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert asked.returncode == 0, asked.stderr
    return asked.stdout


def test_a_finished_stage_has_no_reason(project):
    assert why(project, "packs") == "packs: nothing would run again\n"


def test_a_changed_setting_is_named_with_its_old_and_new_value(project):
    project.configure(pack={"length": 1024})
    said = why(project, "train")
    assert "  pack (train | validation): the setting length: 2048 -> 1024" in said
    assert "  train_method (cdt | ce | longce): it reads what pack makes" in said


def test_changed_code_is_named_by_its_definition(project):
    planning = project.folder / "data_prep/packs/plan.py"
    planning.write_text(planning.read_text(encoding="utf-8") + "\n[].append(1)\n", encoding="utf-8")
    said = why(project, "packs")
    assert (
        "pack (train | validation): the code is another: data_prep/packs/plan.py: statement 1 (is reached now)" in said
    )


def test_a_function_that_was_edited_is_named_with_what_was_edited(project):
    planning = project.folder / "data_prep/packs/plan.py"
    text = planning.read_text(encoding="utf-8")
    assert text.count("def plan_rows(") == 1
    planning.write_text(text.replace("def plan_rows(", "@edited\ndef plan_rows(", 1), encoding="utf-8")
    assert "the code is another: data_prep/packs/plan.py: plan_rows (its decorators)\n" in why(project, "packs")


def test_a_touched_book_is_named(project):
    project.touch(f"{WHOLE_RUN['corpus']['path']}/validation/3.txt")
    said = why(project, "tokens")
    assert said.splitlines()[0] == "tokens: 1 job would run"
    assert "tokenize (validation): " in said
    assert "validation/3.txt is newer" in said


def test_a_stage_that_is_none_is_refused_with_the_list(project):
    refused = subprocess.run(
        [sys.executable, "-m", "workflow.why", "tokenise"], cwd=project.folder, capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: no stage tokenise; there are tokens, packs, ")


def test_reasons_that_come_together_are_all_told():
    reason = (
        "Updated input files: a, b; Params have changed since last execution: Union of exclusive params before and now "
        'across all output: before: \'{"x":{"y":1}}\' now: \'{"x":{"y":2}}\'; Code has changed since last execution'
    )
    assert reasons_in_words(reason, {}) == [
        "the setting x.y: 1 -> 2",
        "a, b is newer",
        "the rule's command is another",
    ]


def test_other_parameters_are_shown_as_they_are():
    assert changes(["0.5"], ["0.7"]) == ["a parameter was 0.5 and is 0.7"]


@pytest.mark.parametrize(
    ("wildcards", "said"), [([""], ""), (["a, 1"], " (a, 1)"), (["a", "b"], " (a | b)"), (list("abcd"), " (4 jobs)")]
)
def test_few_jobs_are_named_and_many_are_counted(wildcards, said):
    assert places(wildcards) == said


def test_targets_that_only_collect_are_no_jobs():
    packs = "\n\nrule packs:\n    input: a\n    reason: x\n"
    text = packs + "\nrule pack:\n    output: a\n    reason: y\n    wildcards: split=train\n"
    [job] = jobs_of(text)
    assert (job.rule, job.wildcards, job.outputs, job.reason) == ("pack", "train", ("a",), "y")
