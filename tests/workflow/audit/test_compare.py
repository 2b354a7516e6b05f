"""Two runs, gate by gate: a repetition, a resumed training, another layout, another seed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflow.audit.conftest import audit_command, linked_copy
from tests.workflow.audit.tampering import put
from tests.workflow.audit.tiny_run import ROOT, prepare, run_commands, with_option

# Everything that lies behind a training of this method, in the run folder.
AFTER_TRAINING = ("samples", "eval", "report.json", "report.html", "models/cdt", "train/cdt")


def changed_settings(words: list[str], change: Callable[[dict], None]) -> list[str]:
    """A training's command line with other settings."""
    settings = json.loads(words[words.index("--settings") + 1])
    change(settings)
    return with_option(words, "--settings", json.dumps(settings))


@pytest.fixture
def trained(finished: Path, tmp_path: Path) -> Path:
    """A copy of the run up to the training of one method."""
    folder = linked_copy(finished, tmp_path / "trained")
    for name in AFTER_TRAINING:
        path = folder / ROOT / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return folder


@pytest.fixture
def training(commands: list[list[str]]) -> list[str]:
    """The command line of the training of that method."""
    [words] = [words for words in commands if words[2:4] == ["megatron_cdt", "train"] and "/models/ce" in str(words)]
    return words


def retrained(trained: Path, folder: Path) -> Path:
    """A copy of the run without its training."""
    linked_copy(trained, folder)
    for name in ("models", "train", "records"):
        shutil.rmtree(folder / ROOT / name)
    return folder


def compare(first: Path, second: Path, *arguments: str):
    """The command, and {gate: verdict}."""
    compared = audit_command(first, "compare", ROOT, str(second / ROOT), *arguments)
    return compared, {line[:20].strip(): line[20:] for line in compared.stdout.splitlines()}


def test_a_repetition_is_identical(finished, server, commands, tmp_path):
    again = tmp_path / "again"
    again.mkdir()
    prepare(again)
    run_commands(server, again, commands[:-1])
    compared, verdicts = compare(finished, again)
    assert compared.returncode == 0, compared.stdout + compared.stderr
    assert verdicts["repeatability"].startswith("identical: ")
    assert "but for" not in verdicts["repeatability"], "byte for byte"
    assert verdicts["layout equivalence"] == "not shown: the layouts are the same"


def test_a_resumed_training_is_identical(trained, training, server, tmp_path):
    resumed = linked_copy(trained, tmp_path / "resumed")
    [newest] = (resumed / ROOT / "train/ce").glob("*/checkpoints/step-00000010")
    shutil.rmtree(newest)
    shutil.rmtree(resumed / ROOT / "models/ce")
    for record in newest.parents[1].glob("*.jsonl"):
        put(record, record.read_bytes())  # a file of its own: the training appends to it
    run_commands(server, resumed, [training])
    compared, verdicts = compare(trained, resumed)
    assert compared.returncode == 0, compared.stdout + compared.stderr
    assert verdicts["restart replay"].startswith("identical: ")
    assert verdicts["repeatability"] == "not shown: a training was interrupted"


def test_two_context_ranks_are_within_the_tolerance_of_one(trained, training, server, tmp_path):
    other = retrained(trained, tmp_path / "cp2")
    two = changed_settings(training, lambda settings: settings["layout"].update(context=2, processes=2))
    run_commands(server, other, [two])
    compared, verdicts = compare(trained, other)
    assert compared.returncode == 0, compared.stdout + compared.stderr
    assert verdicts["layout equivalence"].startswith("within tolerance: ")
    assert "train/ce/metrics.jsonl: step 1" in verdicts["layout equivalence"]
    assert verdicts["repeatability"] == "not shown: the layouts differ"
    strict, verdicts = compare(trained, other, "--gate", "layout equivalence", "--relative", "0", "--absolute", "0")
    assert strict.returncode == 1
    assert verdicts["layout equivalence"].startswith("different: first in train/ce/metrics.jsonl: step 1")


def test_another_seed_is_different_from_the_first_step_on(trained, training, server, tmp_path):
    other = retrained(trained, tmp_path / "seed")
    run_commands(server, other, [changed_settings(training, lambda settings: settings.update(seed=99))])
    compared, verdicts = compare(trained, other)
    assert compared.returncode == 1
    assert "settings differ: models/ce.seed: 1234 -> 99" in compared.stdout
    assert verdicts["repeatability"].startswith("different: first in train/ce/metrics.jsonl: step 1 loss: ")


def test_the_first_differing_step_is_named(trained, tmp_path):
    other = linked_copy(trained, tmp_path / "edited")
    [metrics] = (other / ROOT / "train/ce").glob("*/metrics.jsonl")
    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    lines[6]["grad_norm"] *= 1.01
    put(metrics, "".join(json.dumps(line) + "\n" for line in lines).encode())
    compared, verdicts = compare(trained, other)
    assert compared.returncode == 1
    assert verdicts["repeatability"].startswith("different: first in train/ce/metrics.jsonl: step 7 grad_norm: ")


def test_a_gate_that_a_pair_cannot_show_is_bad_input(trained):
    compared, _ = compare(trained, trained, "--gate", "restart replay")
    assert compared.returncode == 2
    assert "no training was interrupted" in compared.stderr
