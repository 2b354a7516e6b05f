"""The literal `snakemake --profile slurm` makes the whole workflow on a real Slurm, with a training on two nodes."""

import json
import re

from tests.slurm.site import Clone


def test_the_whole_workflow_runs(undisturbed: Clone):
    assert (undisturbed.results / "report.html").is_file()
    assert json.loads((undisturbed.results / "report.json").read_text())
    assert set(undisturbed.states("rule_")) == {"COMPLETED"}


def test_context_ranks_of_a_training_are_on_two_nodes(undisturbed: Clone):
    [(job, _)] = [job for job in undisturbed.jobs("train_method") if "ce" in comment_of(undisturbed, job[0])]
    described = undisturbed.cluster.say("scontrol", "show", "job", job)
    assert re.search(r"NodeList=node\[?\d[-,]\d\]?\s", described)
    assert "NumTasks=2" in described
    assert (
        json.loads(next(undisturbed.results.glob("train/ce/run-*/settings.json")).read_text())["layout"]["context"] == 2
    )


def test_cells_of_the_evaluation_share_one_slurm_job(undisturbed: Clone):
    cells = list(undisturbed.results.rglob("score.json"))
    assert len(cells) == 4
    assert len(undisturbed.jobs("evaluate")) == 1


def test_a_finished_run_has_nothing_to_do(undisturbed: Clone):
    undisturbed.run()
    assert "Nothing to be done" in undisturbed.said()


def comment_of(clone: Clone, job: str) -> str:
    """What Snakemake says that a Slurm job is."""
    return clone.cluster.say("squeue", "--noheader", "--states=all", "--format=%k", f"--jobs={job}")
