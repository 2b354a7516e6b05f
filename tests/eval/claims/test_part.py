"""A part holds what a run's files say, sample by sample, and the hashes of these files."""

import argparse
import hashlib
import json
from pathlib import Path

import pytest

from contracts.errors import InputError
from eval.claims import part

SCORES = {
    "ruler/niah_single_1": {"per_sample": [1.0, 0.0], "rows": [{"id": "a"}, {"id": "b"}]},
    "perplexity/books": {"per_sample": [], "rows": [{"nats_per_token": 3.5}, {"nats_per_token": 4.5}]},
    "hops/2hop": {
        "per_sample": [0.5],
        "rows": [{"auc_supporting": 0.9, "auc_supporting_against_interference": 0.6}],
        "detector": "attention",
    },
}


@pytest.fixture
def run(tmp_path) -> Path:
    """A finished, audited run of one model."""
    folder = tmp_path / "results/claims-scaling-1"
    for name, own in SCORES.items():
        benchmark, task = name.split("/")
        place = folder / "eval/cdt/dense" / name / "512"
        place.mkdir(parents=True)
        told = {"benchmark": benchmark, "task": task, "length": 512, "model": "cdt", "metrics": {}, "hashes": {}, **own}
        (place / "score.json").write_text(json.dumps(told))
    training = folder / "train/cdt/run-1"
    training.mkdir(parents=True)
    (folder / "models/cdt").mkdir(parents=True)
    (folder / "models/cdt/done.json").write_text("{}")
    steps = [
        {"step": step, "loss": 1.0, "detection_loss": 2.0 + step, "consumed_tokens": 100 * step, "relative_shift": step}
        for step in (1, 2, 3)
    ]
    (training / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in steps))
    (training / "telemetry.json").write_text(json.dumps({"plain_loss": "detection_loss"}))
    (training / "settings.json").write_text(json.dumps({"method": "cdt", "cdt": {"beta": 5.0}}))
    looked = folder / "analysis/denoising/cdt/2hop/512"
    looked.mkdir(parents=True)
    records = [
        {"direction": "noise", "step": step, "measure": "attention.supporting", "before": 0.1, "after": after}
        for step, after in ((1.0, 0.12), (10.0, 0.3), (100.0, 0.01))
    ]
    (looked / "denoising.json").write_text(json.dumps({"records": records}))
    (folder / "audit").mkdir()
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  ../{path.relative_to(folder)}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    (folder / "audit/SHA256SUMS").write_text("".join(sums))
    (folder / "audit/run.json").write_text("{}")
    return folder


def made(run: Path, output: Path) -> part.Part:
    part.run(argparse.Namespace(run=str(run), output=str(output)))
    return part.read_part(output)


def test_values_are_those_of_the_scores_sample_by_sample(run, tmp_path):
    told = made(run, tmp_path / "part")
    assert told.values("cdt", "ruler", "niah_single_1", 512) == [1.0, 0.0]
    assert told.values("cdt", "perplexity", "books", 512) == [3.5, 4.5]
    detection = {"detector": "attention", "number": "auc_supporting_against_interference"}
    assert told.values("cdt", "hops", "2hop", 512, **detection) == [0.6]
    assert told.values("ce", "ruler", "niah_single_1", 512) is None


def test_the_growth_of_attention_is_the_largest_over_all_steps(run, tmp_path):
    grown = {"number": "attention_growth", "detector": "noise"}
    assert made(run, tmp_path / "part").values("cdt", "analysis", "2hop", 512, **grown) == [pytest.approx(3.0)]


def test_a_training_is_told_by_its_loss_before_anything_was_moved(run, tmp_path):
    training = made(run, tmp_path / "part").trainings["cdt"]
    assert training["last_loss"] == pytest.approx(4.0)
    assert (training["steps"], training["tokens"], training["relative_shift"]) == (3, 300, 2)
    assert training["settings"] == {"beta": 5.0}


def test_a_run_that_changed_after_its_audit_makes_no_part_that_is_believed(run, tmp_path):
    score = next(run.glob("eval/**/niah_single_1/512/score.json"))
    score.write_text(score.read_text().replace("1.0", "0.0"))
    with pytest.raises(InputError, match="is not what the audit says"):
        made(run, tmp_path / "part")


def test_a_run_without_an_audit_is_told(run, tmp_path):
    (run / "audit/SHA256SUMS").unlink()
    with pytest.raises(InputError, match="make the run's audit first"):
        made(run, tmp_path / "part")
