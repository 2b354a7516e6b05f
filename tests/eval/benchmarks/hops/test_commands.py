"""The commands on a cell of the probe: built once, answered by each detector, scored; a new detector is one file."""

import argparse
import json

import pytest

from contracts.errors import InputError
from contracts.settings import load_settings
from eval.commands import build as build_command
from eval.commands import generate as generate_command
from eval.commands import score as score_command
from eval.detection import detecting
from eval.detection.detecting import Detecting
from eval.detection.detectors import DETECTORS, Detector
from eval.detection.settings import DetectionSettings
from eval.registry import known_task
from eval.report.inputs import row_of
from eval.settings import EvalSettings


def command(module, *words) -> None:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    module.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def samples_of(tmp_path, tokenizer_folder, books_folder):
    def build(task: str):
        path = tmp_path / task / "480.jsonl"
        cell = ["--benchmark", "hops", "--task", task, "--length", 480, "--tokenizer", tokenizer_folder]
        settings = json.dumps({"lengths": [480], "benchmarks": {"hops": {"samples": 2, "emojis": 2, "top": 7}}})
        command(build_command, *cell, "--data", f"books={books_folder}", "--settings", settings, "--output", path)
        return path

    return build


def detect(model, samples, output, detector, settings=None) -> tuple[dict, list[dict]]:
    """(header, rows) of the predictions that a detector makes."""
    words = ["--model", model, "--samples", samples, "--output", output, "--detector", detector, "--device", "cpu"]
    command(generate_command, *words, "--settings", json.dumps({"detection": settings or {}}))
    header, *rows = map(json.loads, output.read_text().splitlines())
    return header, rows


@pytest.mark.parametrize("detector", ["attention", "longppl"])
def test_a_detector_answers_its_cell_and_the_score_names_it(samples_of, model_folder, tmp_path, detector):
    samples, predictions, score = samples_of("2hop"), tmp_path / "predictions.jsonl", tmp_path / "score.json"
    header, rows = detect(model_folder, samples, predictions, detector)
    assert (header["task"], header["detector"], header["inference"]) == ("2hop", detector, "dense")
    assert [set(row) for row in rows] == [{"id", "token_scores", "critical"}] * 2
    command(score_command, "--samples", samples, "--predictions", predictions, "--output", score)
    scored = json.loads(score.read_text())
    assert (scored["task"], scored["detector"], scored["n"]) == ("2hop", detector, 2)
    assert scored["per_sample"] == pytest.approx([round(7 * value) / 7 for value in scored["per_sample"]])
    assert scored["score"] == pytest.approx(100 * sum(scored["per_sample"]) / 2)


def test_other_thresholds_of_a_detector_make_new_answers_to_the_same_rows(samples_of, model_folder, tmp_path):
    samples, critical = samples_of("2hop"), []
    for alpha in (0.0, 50.0):
        cut = {"longppl": {"window": 100, "stride": 50, "alpha": alpha, "beta": -50.0}}
        header, rows = detect(model_folder, samples, tmp_path / "predictions.jsonl", "longppl", cut)
        assert header["detector_settings"]["alpha"] == alpha
        critical.append(sum(sum(row["critical"]) for row in rows))
    assert (critical[0] > 0, critical[1]) == (True, 0)


def test_a_method_of_inference_is_no_detector(samples_of, model_folder, tmp_path):
    words = ["--model", model_folder, "--samples", samples_of("2hop"), "--output", tmp_path / "out.jsonl"]
    with pytest.raises(InputError, match="--detector NAME"):
        command(generate_command, *words, "--inference", "xattention", "--device", "cpu")


EVERY_THIRD = """
def opened(folder, device, options):
    return lambda row: {
        "token_scores": [float(place % 3 == 0) for place in range(len(row["input_ids"]))],
        "critical": [int(place % 3 == 0) for place in range(len(row["input_ids"]))],
    }
"""


def test_a_new_detector_is_one_file_and_one_line(samples_of, model_folder, tmp_path, monkeypatch):
    (tmp_path / "every_third.py").write_text(EVERY_THIRD)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(DETECTORS, "every_third", Detector("every third token", "every_third"))
    monkeypatch.setattr(
        detecting, "code_facts", lambda *roots: {"code_sha256": "of every_third", "code_roots": list(roots)}
    )
    samples = samples_of("2hop")
    model = Detecting(str(model_folder), "cpu", "every_third", DetectionSettings())
    model.answer_cell(samples, tmp_path / "predictions.jsonl")
    words = ["--samples", samples, "--predictions", tmp_path / "predictions.jsonl"]
    command(score_command, *words, "--output", tmp_path / "score.json")
    score = json.loads((tmp_path / "score.json").read_text())
    assert score["detector"] == "every_third"
    assert score["rows"][0]["noise_share"] == pytest.approx(2 / 3, abs=0.01)
    assert row_of(score) == "2hop, every third token"


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"tasks": ["2hop", "3hop_attention"]}, "write 3hop, and eval.detection.methods: [attention]"),
        ({"longppl_alpha": 1.0}, "write eval.detection.longppl.alpha"),
    ],
)
def test_settings_of_before_are_answered_with_what_to_write(section, told):
    with pytest.raises(InputError) as error:
        load_settings(EvalSettings, json.dumps({"benchmarks": {"hops": section}}))
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_task_of_before_is_answered_with_what_to_write():
    with pytest.raises(InputError, match=r"write 3hop, and eval.detection.methods: \[longppl\]"):
        known_task("hops", "3hop_longppl")
