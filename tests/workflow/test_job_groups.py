"""Which cells share a Slurm job: those of one model, as many as its time holds, and only in one partition."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from tests.workflow.conftest import Project
from workflow.job_groups import KINDS, JobGroups, asked_by, cells_in, split

QUICK = {"set-resources": {"generate": {"runtime": 4}, "detect_critical_tokens": {"runtime": 4}}}


@pytest.fixture
def submitted(project: Project, slurm: dict[str, str]) -> Callable[..., list[str]]:
    """submitted(changes of the profile, the answers are there) returns the sbatch calls of an evaluation."""

    def calls(changes: dict, answered: bool = False) -> list[str]:
        path = project.folder / "workflow/profiles/slurm/profile.yaml"
        profile = yaml.safe_load(path.read_text())
        for section, entries in changes.items():
            profile.setdefault(section, {}).update(entries)
        path.write_text(yaml.safe_dump(profile))
        for pattern in ("score.json", "aggregate.json", *([] if answered else ["predictions.jsonl"])):
            for file in project.folder.glob(f"results/demo/eval/**/{pattern}"):
                file.unlink()
        failed = project.snakemake(
            *("--profile", "slurm", "--configfile", "config/demo.yaml", "--retries", "0"),
            *("--slurm-init-seconds-before-status-checks", "1", "--", "evaluate"),
            **slurm,
        )
        assert failed.returncode == 1
        assert "Error grouping resources" not in failed.stdout
        return Path(slurm["SUBMITTED"]).read_text().splitlines()

    return calls


def cells_of(call: str) -> list[tuple[str, str]]:
    """(model, way) of the cells that an sbatch call answers."""
    return re.findall(r"(?:generate|detect_critical_tokens):\S*?model=(\w+)\S*?way=(\w+)", call)


def minutes_of(call: str) -> int:
    """The time limit that an sbatch call asks for."""
    return int(re.search(r" -t (\d+)", call)[1])


def test_a_slurm_job_has_cells_of_one_model_and_takes_no_longer_than_a_model_may_work_ahead(submitted):
    calls = submitted(QUICK)
    cells = [cells_of(call) for call in calls]
    assert sum(map(len, cells)) > 10
    assert all(len(set(together)) == 1 for together in cells)
    assert max(map(len, cells)) == 2  # 20 minutes hold two of 4 + 5
    assert max(map(minutes_of, calls)) <= 20


def test_cells_of_an_hour_have_a_job_each(submitted):
    assert {len(cells_of(call)) for call in submitted({})} == {1}


def test_answers_on_gpus_and_scores_on_cpus_are_jobs_of_their_own(submitted):
    partitions = {
        "default-resources": {"slurm_partition": "'cpu'"},
        "set-resources": {"generate": {"slurm_partition": "'gpu'", "gres": "'gpu:1'", "tasks_per_gpu": 0}},
    }
    answering = [call for call in submitted(partitions) if "generate:" in call]
    assert answering
    assert all("-p gpu" in call and "--gres=gpu:1" in call and "score:" not in call for call in answering)


def test_the_comment_of_a_job_names_its_rule_or_group_and_its_cell(submitted):
    calls = submitted(QUICK)
    assert {re.search(r"--comment (\S+)", call)[1] for call in calls} >= {"rule_evaluate_ce_dense_generate_score"}
    assert all(re.search(r"--job-name cdt_", call) for call in calls)


def asks(**resources: object) -> SimpleNamespace:
    """A rule with resources, as Snakemake holds them."""
    values = {
        name: SimpleNamespace(evaluate=lambda *_, v=value, **__: SimpleNamespace(value=v))
        for name, value in resources.items()
    }
    return SimpleNamespace(name="a rule", resources=values)


def test_every_run_of_a_study_has_groups_of_its_own():
    rules = {f"{run}_{rule}": asks(runtime=5) for run in ("one", "two") for kind in KINDS.values() for rule in kind[0]}
    workflow = SimpleNamespace(
        group_settings=SimpleNamespace(group_components={"evaluate": 8}),
        **{"is_rule": rules.__contains__, "get_rule": rules.__getitem__, "async_run": None},
    )
    cell = SimpleNamespace(model="ce", way="dense")
    named = [JobGroups(workflow, run, 30).of(rule)(cell) for run in ("one", "two") for rule in ("generate", "score")]
    assert named == 2 * ["one_evaluate_ce_dense"] + 2 * ["two_evaluate_ce_dense"]
    assert [workflow.group_settings.group_components[name] for name in named] == [3, 3, 3, 3]
    assert JobGroups(workflow, "one", 30).of("aggregate")(cell) is None  # the profile says nothing of these


def test_rules_that_name_other_partitions_or_accounts_are_split_and_numbers_are_not():
    generate = {"slurm_partition": "gpu", "gres": "gpu:1", "mem_mb": 5}
    asked = {"generate": generate, "score": {"slurm_partition": "cpu", "mem_mb": 1}, "other": {"mem_mb": 2}}
    assert split("group", asked) == {"group": ["generate", "other"], "group_score": ["score"]}
    assert split("group", {"generate": {"slurm_account": "a"}, "score": {"slurm_account": "a", "gres": "x"}}) == {
        "group": ["generate", "score"]
    }


@pytest.mark.parametrize(
    ("asked", "cells"),
    [
        ({"generate": {"runtime": 4}, "detect_critical_tokens": {"runtime": 2}, "score": {"runtime": 1}}, 4),
        ({"generate": {"runtime": 60}}, 1),
        ({"generate": {}}, 1),
        ({"aggregate": {"runtime": 5}}, 4),
    ],
)
def test_as_many_cells_as_twenty_minutes_hold(asked, cells):
    assert cells_in(asked, 20) == cells


def test_what_cannot_be_known_without_a_job_is_left_out():
    broken = SimpleNamespace(evaluate=lambda *_, **__: 1 / 0)
    rule = SimpleNamespace(name="a rule", resources={"mem_mb": broken, **asks(runtime=3).resources})
    assert asked_by(rule, None) == {"runtime": 3}
