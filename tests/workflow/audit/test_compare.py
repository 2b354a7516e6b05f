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


def test_a_copy_that_was_never_audited_is_the_same_run(finished, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(finished / ROOT, copy, ignore=shutil.ignore_patterns("audit"))
    compared = audit_command(finished, "compare", ROOT, str(copy))
    assert compared.returncode == 0, compared.stdout + compared.stderr
    assert "repeatability       identical: " in compared.stdout
    assert "but for" not in compared.stdout


def test_a_copy_without_records_is_not_called_another_machine_s(finished, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(finished / ROOT, copy, ignore=shutil.ignore_patterns("audit", "records"))
    compared = audit_command(finished, "compare", ROOT, str(copy))
    assert compared.returncode == 0, compared.stdout + compared.stderr
    reason = f"not shown: {copy} has no records of its jobs, so that nobody knows where it ran"
    assert f"repeatability       {reason}" in compared.stdout
    assert f"host change         {reason}" in compared.stdout
    assert "differ" not in compared.stdout.replace("not shown: the layouts differ", "")


def test_what_a_cluster_keeps_beside_predictions_is_no_result(trained, finished, tmp_path):
    other = linked_copy(finished, tmp_path / "other")
    for kept in (other / ROOT / "eval").rglob("*.kept"):
        put(kept, b"other bytes")
    compared, verdicts = compare(finished, other)
    assert compared.returncode == 0, compared.stdout
    assert verdicts["repeatability"].startswith("identical: ")


def test_a_file_of_an_unknown_kind_is_named_and_decides_nothing(trained, tmp_path):
    other = linked_copy(trained, tmp_path / "other")
    (other / ROOT / "eval").mkdir(exist_ok=True)
    (other / ROOT / "eval/new.json").write_text("1")
    compared, verdicts = compare(trained, other)
    assert compared.returncode == 0, compared.stdout
    assert "not compared: eval/new.json: a kind of file that is unknown here" in compared.stdout
    assert verdicts["repeatability"].startswith("identical: ")


def test_records_of_an_abandoned_configuration_tell_of_no_other_code_or_machine(trained, tmp_path):
    other = linked_copy(trained, tmp_path / "other")
    records = other / ROOT / "records"
    record = json.loads(next(records.glob("jobs/*.json")).read_text())
    for kind, value in (
        ("code", {"eval.registry": "0" * 64}),
        ("environment", {"host": "gone", "packages": {"a": "1"}}),
    ):
        record[kind] = f"{kind:0>64}"
        folder = records / ("code" if kind == "code" else "environments")
        (folder / f"{record[kind]}.json").write_text(json.dumps(value))
    record["arguments"] = ["generate", "--output", f"{ROOT}/eval/gone/predictions.jsonl"]
    (records / "jobs/20200101T000000.000000-gone-1.json").write_text(json.dumps(record))
    compared, verdicts = compare(trained, other)
    assert compared.returncode == 0, compared.stdout
    assert "differ" not in compared.stdout.replace("not shown: the layouts differ", "")
    assert verdicts["repeatability"].startswith("identical: ")


def test_other_code_of_an_output_is_told(trained, tmp_path):
    other = linked_copy(trained, tmp_path / "other")
    path = other / ROOT / "packs/train/manifest.json"
    manifest = json.loads(path.read_text())
    put(path, json.dumps(manifest | {"code_sha256": "0" * 64}).encode())
    compared, verdicts = compare(trained, other)
    assert f"code differs: packs/train/manifest.json: '{manifest['code_sha256']}' -> '{'0' * 64}'" in compared.stdout
    assert verdicts["repeatability"].startswith("identical: ")
