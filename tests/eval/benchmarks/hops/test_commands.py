"""The commands on a detector's cell: built, answered by the task's own module, scored."""

import argparse
import json

import pytest

from contracts.errors import InputError
from eval.commands import build as build_command
from eval.commands import generate as generate_command
from eval.commands import score as score_command


def command(module, *words) -> None:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    module.run(parser.parse_args([str(word) for word in words]))


@pytest.fixture
def samples_of(tmp_path, tokenizer_folder, books_folder):
    def build(task: str, **options):
        path = tmp_path / task / "480.jsonl"
        cell = ["--benchmark", "hops", "--task", task, "--length", 480, "--tokenizer", tokenizer_folder]
        settings = json.dumps(
            {"lengths": [480], "benchmarks": {"hops": {"samples": 2, "emojis": 2, "top": 7, **options}}}
        )
        command(build_command, *cell, "--data", f"books={books_folder}", "--settings", settings, "--output", path)
        return path

    return build


@pytest.mark.parametrize("task", ["2hop_attention", "2hop_longppl"])
def test_a_detector_answers_its_cell_and_the_score_names_it(samples_of, model_folder, tmp_path, task):
    samples, predictions, score = samples_of(task), tmp_path / "predictions.jsonl", tmp_path / "score.json"
    command(generate_command, "--model", model_folder, "--samples", samples, "--output", predictions, "--device", "cpu")
    header, *found = map(json.loads, predictions.read_text().splitlines())
    assert header["task"] == task
    assert header["answer_code_sha256"]
    assert [set(row) for row in found] == [{"id", "token_scores", "critical"}] * 2
    command(score_command, "--samples", samples, "--predictions", predictions, "--output", score)
    scored = json.loads(score.read_text())
    assert (scored["task"], scored["n"]) == (task, 2)
    assert scored["per_sample"] == pytest.approx([round(7 * value) / 7 for value in scored["per_sample"]])
    assert scored["score"] == pytest.approx(100 * sum(scored["per_sample"]) / 2)


def test_other_thresholds_of_a_detector_make_new_answers_to_the_same_rows(samples_of, model_folder, tmp_path):
    cut, found = {"longppl_window": 100, "longppl_stride": 50, "longppl_beta": -50.0}, []
    for alpha in (0.0, 50.0):
        samples = samples_of("2hop_longppl", **cut, longppl_alpha=alpha)
        words = ["--model", model_folder, "--samples", samples, "--output", tmp_path / "predictions.jsonl"]
        command(generate_command, *words, "--device", "cpu")
        _, *rows = map(json.loads, (tmp_path / "predictions.jsonl").read_text().splitlines())
        found.append((samples.read_bytes(), sum(sum(row["critical"]) for row in rows)))
    (before, some), (after, none) = found
    assert before == after
    assert (some > 0, none) == (True, 0)


def test_only_the_dense_model_can_be_looked_into(samples_of, model_folder, tmp_path):
    words = ["--model", model_folder, "--samples", samples_of("2hop_attention"), "--output", tmp_path / "out.jsonl"]
    with pytest.raises(InputError, match="dense"):
        command(generate_command, *words, "--inference", "xattention", "--device", "cpu")
