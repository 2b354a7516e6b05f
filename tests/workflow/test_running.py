"""Running the workflow: what a failure shows, what survives it, where it may be started, what Slurm is asked for."""

import base64
import re
from pathlib import Path

import pytest
import yaml

COMPLAINT = "error: books/1.txt: not UTF-8 at byte 7; convert the file"
FAILING_COMMAND = f"""
import sys
sys.stderr.write("{COMPLAINT}\\n")
sys.exit(2)
"""


def test_the_one_line_error_of_a_failing_stage_reaches_the_person(fresh):
    (fresh.folder / "data_prep/__main__.py").write_text(FAILING_COMMAND, encoding="utf-8")
    failed = fresh.snakemake("--profile", "local", "--configfile", "config/demo.yaml")
    assert failed.returncode == 1
    assert COMPLAINT in failed.stdout
    assert COMPLAINT in (fresh.folder / "results/demo/logs/train_tokenizer.log").read_text()


def test_a_failed_training_keeps_its_run_folder_for_the_next_attempt(project):
    [log] = (project.folder / ".snakemake/log").glob("*.log")
    run_folder = re.search(r"--run-folder (results/demo/train/cdt/\S+)", log.read_text())[1]
    checkpoint = project.folder / run_folder / "checkpoints/step-40"
    checkpoint.mkdir(parents=True)
    (project.folder / "megatron_cdt/__main__.py").write_text(FAILING_COMMAND, encoding="utf-8")
    failed = project.snakemake(
        *("--profile", "local", "--configfile", "config/demo.yaml", "--forcerun", "train_method"),
        *("--", "results/demo/models/cdt"),
    )
    assert failed.returncode == 1
    assert COMPLAINT in failed.stdout
    assert checkpoint.is_dir()


def test_it_runs_from_another_working_folder(fresh, tmp_path):
    books = fresh.folder / "resources"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "resources").symlink_to(books)
    started = fresh.snakemake(
        *("--profile", "local", "--configfile", "config/demo.yaml", "--directory", str(elsewhere)),
        *("--", "results/demo/tokens/train"),
    )
    assert started.returncode == 0, started.stdout
    assert (elsewhere / "results/demo/tokens/train/done.json").is_file()


def test_without_a_configuration_it_is_the_demo(project):
    assert "Nothing to be done" in project.snakemake("-n").stdout


def test_snakemakes_own_report_holds_the_page(project):
    made = project.snakemake("--report", "about.html", "--configfile", "config/demo.yaml")
    assert made.returncode == 0, made.stdout
    # As a link that holds the whole page.
    page = base64.b64encode((project.folder / "results/demo/report.html").read_bytes()).decode()
    assert f"base64,{page}" in (project.folder / "about.html").read_text()


def test_slurm_is_asked_for_a_job_with_its_time_and_memory_and_no_requeueing(fresh, slurm):
    refused = fresh.snakemake(
        *("--profile", "slurm", "--configfile", "config/demo.yaml", "--retries", "0"),
        *("--slurm-init-seconds-before-status-checks", "1", "--", "results/demo/tokenizer"),
        **slurm,
    )
    submitted = Path(slurm["SUBMITTED"]).read_text()
    assert refused.returncode == 1
    assert "--no-requeue" in submitted
    assert "--mem 2000" in submitted
    assert "--time=60" in submitted or "-t 60" in submitted
    assert "--cpus-per-task=2" in submitted


def test_slurm_plans_the_same_jobs_as_a_laptop(fresh, slurm):
    asked = ("-n", "--configfile", "config/demo.yaml", "--quiet", "rules")
    plans = [fresh.snakemake(*asked, "--profile", profile, **slurm).stdout for profile in ("local", "slurm")]
    tables = [re.search(r"^job +count\n(.*?)^total.*?$", plan, flags=re.DOTALL | re.MULTILINE) for plan in plans]
    assert tables[0][0] == tables[1][0]


GPU_TRAINING = {
    **{"mpi": "'srun'", "nodes": 2, "tasks": 2, "gres": "'gpu:8'", "tasks_per_gpu": 0, "cpus_per_task": 64},
    **{
        "mem_mb": 500000,
        "runtime": 1440,
        "slurm_partition": "'h100'",
        "slurm_account": "'lab'",
        "constraint": "'hbm3'",
    },
}


def submitted_training(project, slurm, resources) -> str:
    """What sbatch is given for a training, with these resources in the profile."""
    path = project.folder / "workflow/profiles/slurm/profile.yaml"
    profile = yaml.safe_load(path.read_text())
    profile["set-resources"]["train_method"] |= resources
    path.write_text(yaml.safe_dump(profile))
    refused = project.snakemake(
        *("--profile", "slurm", "--configfile", "config/demo.yaml", "--retries", "0", "--forcerun", "train_method"),
        *("--slurm-init-seconds-before-status-checks", "1", "--", "results/demo/models/cdt"),
        **slurm,
    )
    assert refused.returncode == 1
    [call] = [line for line in Path(slurm["SUBMITTED"]).read_text().splitlines() if "train_method" in line]
    return call


def test_a_gpu_training_on_two_nodes_asks_slurm_for_one_launcher_and_all_gpus_of_each(project, slurm):
    call = submitted_training(project, slurm, GPU_TRAINING)
    wanted = (
        *("--nodes=2", "--ntasks=2", "--gres=gpu:8", "--cpus-per-task=64", "--mem 500000", "-t 1440"),
        *("-p h100", "-A lab", "-C hbm3", "--signal=USR1@120", "--no-requeue"),
    )
    assert [option for option in wanted if option not in call] == []
    assert "--ntasks-per-gpu" not in call


def test_a_training_on_one_node_asks_for_one_task_outside_of_any_other_step(project, slurm):
    call = submitted_training(project, slurm, {"gres": "'gpu:8'", "tasks_per_gpu": 0})
    assert "--gres=gpu:8" in call
    assert "--ntasks-per-gpu" not in call
    assert "--signal=USR1@120" in call


def test_where_a_training_runs_is_no_reason_to_train_again(project):
    plans = [
        project.to_run("--set-resources", *resources)
        for resources in (["train_method:nodes=2"], ["pack:mem_mb=1"], ["train_method:gpu=1", "generate:gpu=1"])
    ]
    assert plans == [set(), set(), set()]


@pytest.mark.parametrize("stage", ["tokens", "packs", "train", "export", "evaluate", "report"])
def test_every_stage_is_a_target_by_its_name(project, stage):
    planned = project.snakemake(stage, "-n", "--profile", "local", "--configfile", "config/demo.yaml")
    assert planned.returncode == 0, planned.stdout
    assert "Nothing to be done" in planned.stdout
