"""Killed at any moment, the same command ends with the same bytes; stopped in good order, it says so."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from megatron_cdt.stop_signals import RESUME_EXIT_CODE
from tests.megatron_cdt.training.job import Job, Processes, model_folder, train_settings

# RESUME_TEST_KILLS=100 makes the test below longer.
KILLS = int(os.environ.get("RESUME_TEST_KILLS", "20"))
CP2 = {"layout": {"processes": 2, "context": 2}}


@pytest.fixture(scope="module")
def uninterrupted(job: Job, tmp_path_factory) -> Path:
    """The run folder of a run that nobody disturbed."""
    run_folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    job.train(train_settings(**CP2), run_folder)
    return run_folder


def results(run_folder: Path) -> dict[str, bytes]:
    """Every byte that a run promises to reproduce."""
    model = model_folder(run_folder)
    files = [run_folder / "metrics.jsonl", run_folder / "validation.jsonl", model / "model.safetensors"]
    return {file.name: file.read_bytes() for file in [*files, model / "done.json"]}


def steps_recorded(run_folder: Path) -> int:
    metrics = run_folder / "metrics.jsonl"
    return metrics.read_text().count("\n") if metrics.is_file() else 0


def inside_a_save(run_folder: Path) -> bool:
    return any(run_folder.glob("checkpoints/*.tmp"))


def kill_when(moment: Callable[[], bool], processes: Processes, delay: float) -> bool:
    """kill -9 once `moment` has come and `delay` seconds have passed; False where the run ended before."""
    while processes.running() and not moment():
        time.sleep(0.001)
    time.sleep(delay)
    killed = processes.running()
    processes.kill()
    return killed


@pytest.mark.parametrize("in_background", [False, True], ids=["saves-at-once", "saves-in-background"])
def test_killed_at_random_moments_and_inside_a_save_it_ends_with_the_same_bytes(
    job, uninterrupted, tmp_path, in_background
):
    run_folder, settings = tmp_path / "run", train_settings(checkpoint_async=in_background, **CP2)
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    after = sorted(chance.sample(range(1, 5), 2))
    moments = [
        lambda: inside_a_save(run_folder),
        lambda: steps_recorded(run_folder) >= after[0],
        lambda: inside_a_save(run_folder),
        lambda: steps_recorded(run_folder) >= after[1],
    ]
    kills = []
    for moment in moments:
        processes = job.start(settings, run_folder)
        kills.append(kill_when(moment, processes, delay=chance.uniform(0, 0.1)))
    job.train(settings, run_folder)
    assert any(kills)
    assert results(run_folder) == results(uninterrupted), f"seed {seed}"


def test_killed_at_every_turn_it_ends_with_the_same_bytes(job, tmp_path, capsys):
    """One run, killed at random moments (starting, stepping, saving) and started again until it ends.

    Each start draws whether it saves in the background.
    """
    settings = train_settings(steps=3 * KILLS + 2, warmup_steps=2, checkpoint_interval=1, validation_interval=9)
    job.train(settings, tmp_path / "undisturbed")
    seed = random.randrange(2**32)
    chance, run_folder, kills = random.Random(seed), tmp_path / "run", 0
    for _ in range(KILLS):
        reached = steps_recorded(run_folder) + chance.randint(0, 2)
        moment = chance.choice(
            [
                lambda: True,
                lambda: inside_a_save(run_folder),
                lambda reached=reached: steps_recorded(run_folder) > reached,
            ]
        )
        processes = job.start(settings | {"checkpoint_async": chance.random() < 0.5}, run_folder)
        kills += kill_when(moment, processes, delay=chance.uniform(0, 0.1))
    job.train(settings, run_folder)
    with capsys.disabled():
        print(f" {kills} kills of one run ", end="")
    assert kills == KILLS
    assert results(run_folder) == results(tmp_path / "undisturbed"), f"seed {seed}"


def test_a_torn_newest_checkpoint_is_named_and_the_one_before_it_is_used(job, tmp_path):
    run_folder = tmp_path / "run"
    settings = train_settings(checkpoint_interval=4)
    job.train(settings, run_folder)
    wanted = results(run_folder)
    newest = run_folder / "checkpoints" / "step-00000006"
    torn = max(newest.glob("*.distcp"), key=lambda path: path.stat().st_size)
    torn.write_bytes(torn.read_bytes()[:-100])
    (model_folder(run_folder) / "done.json").unlink()
    said = job.train(settings, run_folder)
    assert f"{newest}: {torn.name} is torn or corrupted" in said
    assert "going on after step 4 of 6" in said
    assert results(run_folder) == wanted


def test_a_finished_run_does_nothing_but_export_what_is_missing(job, uninterrupted):
    wanted = results(uninterrupted)
    weights = model_folder(uninterrupted) / "model.safetensors"
    written_at = weights.stat().st_mtime_ns
    job.train(train_settings(**CP2), uninterrupted)
    assert weights.stat().st_mtime_ns == written_at
    for file in model_folder(uninterrupted).iterdir():
        file.unlink()
    job.train(train_settings(**CP2), uninterrupted)
    assert results(uninterrupted) == wanted


def test_how_often_it_saves_may_change_in_the_middle_of_a_run(job, uninterrupted):
    wanted = results(uninterrupted)
    job.train(train_settings(checkpoint_interval=1, keep_checkpoints=5, **CP2), uninterrupted)
    assert results(uninterrupted) == wanted


def test_a_signal_to_the_launcher_saves_and_the_exit_code_says_resume(job, tmp_path):
    run_folder = tmp_path / "run"
    settings = train_settings(checkpoint_interval=100, steps=400, validation_interval=None, **CP2)
    launcher = job.launch(settings, run_folder)
    while launcher.poll() is None and steps_recorded(run_folder) < 2:
        time.sleep(0.01)
    launcher.send_signal(signal.SIGUSR1)
    _, said = launcher.communicate(timeout=60)
    assert launcher.returncode == RESUME_EXIT_CODE, said
    assert "run the same command to go on" in said
    (saved,) = (run_folder / "checkpoints").iterdir()
    assert json.loads((saved / "progress.json").read_text())["step"] == steps_recorded(run_folder)


# SIGUSR1 is what Slurm's --signal=USR1@120 sends before it ends a job.
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_one_process_that_is_signalled_stops_all_of_them_after_their_saves_in_the_background(job, tmp_path, number):
    run_folder = tmp_path / "run"
    settings = train_settings(
        checkpoint_interval=1, checkpoint_async=True, steps=400, validation_interval=None, keep_checkpoints=400, **CP2
    )
    processes = job.start(settings, run_folder)
    while processes.running() and steps_recorded(run_folder) < 3:
        time.sleep(0.001)
    os.kill(processes.workers[1].pid, number)
    assert processes.wait() == [RESUME_EXIT_CODE] * 2, processes.said()
    saved = sorted(path.name for path in (run_folder / "checkpoints").iterdir())
    assert saved == [f"step-{step:08d}" for step in range(1, steps_recorded(run_folder) + 1)]
