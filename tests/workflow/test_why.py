"""`python -m workflow.why` says in words why a stage would run again."""

import os
import re
import subprocess
import sys

import pytest
import yaml

from tests.workflow.conftest import WHOLE_RUN, Project
from tests.workflow.test_study import small_study
from workflow.changed_settings import changes
from workflow.planned_jobs import PlannedJob, Reasons, named
from workflow.why import places, words


def asked(project: Project, *arguments: str) -> subprocess.CompletedProcess:
    """The command in a project."""
    return subprocess.run(
        [sys.executable, "-m", "workflow.why", *arguments],
        cwd=project.folder,
        env=os.environ | {"PYTHONPATH": str(project.folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def why(project: Project, *arguments: str) -> str:
    """What the command says in a project."""
    told = asked(project, *arguments)
    assert told.returncode == 0, told.stderr
    return told.stdout


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


def test_every_changed_setting_of_a_job_is_told(project):
    project.configure(pack={"length": 1024, "mode": "best-fit"})
    said = why(project, "packs")
    assert said == (
        "packs: 2 jobs would run\n"
        "  pack (train | validation): the setting length: 2048 -> 1024; the setting mode: 'concat' -> 'best-fit'\n"
    )


def test_a_changed_setting_is_told_beside_an_input_that_changed(project):
    project.configure(pack={"length": 1024}, train={"steps": 7})
    said = why(project, "train")
    before = WHOLE_RUN["train"]["steps"]
    assert said.splitlines()[1:] == [
        "  pack (train | validation): the setting length: 2048 -> 1024",
        f"  train_method (cdt | ce | longce): the setting steps: {before} -> 7; it reads what pack makes",
    ]


@pytest.mark.parametrize("profile", ["local", "slurm"])
def test_a_result_that_is_gone_is_told_whether_its_job_is_in_a_group_or_not(project, profile):
    score = "results/demo/eval/ce/dense/ruler/vt/1024/score.json"
    (project.folder / score).unlink()
    assert why(project, "evaluate", "--profile", profile) == (
        f"evaluate: 1 job would run\n  score (ce, dense, ruler, vt, 1024): {score} is not there\n"
    )


def test_the_jobs_of_a_rule_with_one_reason_are_one_line(project):
    for score in (project.folder / "results/demo/eval").rglob("score.json"):
        score.unlink()
    first, line = why(project, "evaluate", "--profile", "slurm").splitlines()
    assert first == "evaluate: 30 jobs would run"
    assert line == (
        "  score (30 jobs): results/demo/eval/cdt/dense/longppl/books/1024/score.json, "
        "results/demo/eval/cdt/dense/longppl/books/2048/score.json, "
        "results/demo/eval/cdt/dense/perplexity/books/1024/score.json and 27 more are not there"
    )


@pytest.mark.parametrize(("stage", "rule", "jobs"), [("report", "report", 4), ("evaluate", "score", 40)])
def test_a_stage_of_a_study_is_that_of_all_its_runs(fresh, stage, rule, jobs):
    (fresh.folder / "study.yaml").write_text(yaml.safe_dump(small_study(fresh.folder)))
    said = why(fresh, stage, "--profile", "slurm", "--configfile", "study.yaml")
    counts = re.findall(rf"^  {rule} \((\d+) jobs\): ", said, flags=re.MULTILINE)
    assert sum(map(int, counts)) == jobs
    assert len(said.splitlines()) < 20


def test_an_audit_of_a_study_is_that_of_all_its_runs(fresh):
    (fresh.folder / "study.yaml").write_text(yaml.safe_dump(small_study(fresh.folder)))
    lines = why(fresh, "audit", "--configfile", "study.yaml").splitlines()
    assert lines[-1].startswith("  audit (4 jobs): results/demo-long-small/audit, ")


def test_a_configuration_that_is_wrong_ends_as_snakemake_does(project):
    refused = asked(project, "packs", "--config", "lengthh=2")
    assert refused.returncode == 2
    assert "error: configuration: top level: Additional properties are not allowed" in refused.stderr
    assert refused.stdout == ""


def test_reasons_that_come_together_are_all_told():
    reasons = Reasons(
        newer=frozenset({"b", "a"}),
        params_before=frozenset({'\'{"x":{"y":1,"z":1},"w":0}\'', "'{\"k\":1}'"}),
        params_now=frozenset({'\'{"x":{"y":2,"z":3},"w":0}\'', "'{\"k\":2}'"}),
        other_command=True,
    )
    assert words([PlannedJob("pack", "", (), (), reasons)], {}) == [
        "the setting k: 1 -> 2",
        "the setting x.y: 1 -> 2",
        "the setting x.z: 1 -> 3",
        "a, b are newer",
        "the rule's command is another",
    ]


def test_sections_are_told_by_the_keys_that_they_share_since_they_have_no_order():
    before = ["""'{"b":0,"y":1}'""", """'{"z":1}'"""]
    now = ["""'{"a":0,"z":2}'""", """'{"b":0,"y":3}'"""]
    assert changes(before, now) == ["the setting y: 1 -> 3", "the setting a: not there -> 0", "the setting z: 1 -> 2"]


def test_other_parameters_are_shown_as_they_are():
    assert changes(["0.5"], ["0.7"]) == ["a parameter was 0.5 and is 0.7"]


def test_a_parameter_beside_a_setting_is_told_too():
    assert changes(["0.5", """'{"k":1}'"""], ["0.7", """'{"k":2}'"""]) == [
        "the setting k: 1 -> 2",
        "a parameter was 0.5 and is 0.7",
    ]


def test_settings_behind_an_option_are_told_by_their_keys():
    before, now = (repr(f'--settings \'{{"code_similarity":"{name}"}}\'') for name in ("difflib", "levenshtein"))
    assert changes([before], [now]) == ["the setting code_similarity: 'difflib' -> 'levenshtein'"]


def test_a_run_folder_is_told_only_where_nothing_else_is():
    folders = [f"'results/demo/train/cdt/run-{digit * 12}'" for digit in "ab"]
    assert changes(folders[:1], folders[1:]) == ["the run folder of a training is another"]
    assert changes([folders[0], "0.5"], [folders[1], "0.7"]) == ["a parameter was 0.5 and is 0.7"]


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        ([("", ())], ""),
        ([("", ("a", "1"))], " (a, 1)"),
        ([("", ("a",)), ("", ("b",))], " (a | b)"),
        ([("r", ("a",)), ("s", ())], " (r a | s)"),
        ([("", (name,)) for name in "abcd"], " (4 jobs)"),
    ],
)
def test_few_jobs_are_named_and_many_are_counted(jobs, said):
    assert places([PlannedJob("pack", run, wildcards, ()) for run, wildcards in jobs]) == said


def test_a_rule_of_a_run_whose_name_begins_with_another_s_is_that_run_s():
    runs = {"a_": "a", "a_b_": "a-b"}
    assert named("a_b_pack", runs) == ("pack", "a-b")
    assert named("a_pack", runs) == ("pack", "a")
    assert named("pack", {}) == ("pack", "")
