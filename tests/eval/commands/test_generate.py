import argparse
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.errors import InputError
from eval.building.samples import read_samples
from eval.commands import build as build_command
from eval.commands import generate as generate_command
from eval.inference.predictions import prediction_log, read_predictions

ROOT = Path(__file__).parents[3]
HEADER = {"samples_sha256": "s", "model": "m"}
IDS = ["a", "b", "c"]
# A process that ends itself as a power cut would, in the middle of writing its fifth prediction.
DIES_AFTER_FOUR = """
import os, signal, sys
from contracts import command_line
from eval.__main__ import COMMANDS
from eval.inference import predictions

append = predictions.PredictionLog.append

def append_and_die(log, prediction):
    append(log, prediction)
    if log.done == 4:
        log.handle.write(b'{"id":"perplexity-books-200-4-')
        log.handle.flush()
        os.kill(os.getpid(), signal.SIGKILL)

predictions.PredictionLog.append = append_and_die
sys.exit(command_line.main("eval", COMMANDS, sys.argv[1:]))
"""


def build(folder: Path, cell: str, length: int, tokenizer, books, benchmarks: dict, **shared) -> Path:
    """The samples of a cell, named as `benchmark/task`."""
    benchmark, task = cell.split("/")
    parser = argparse.ArgumentParser()
    build_command.add_arguments(parser)
    output = folder / cell / f"{length}.jsonl"
    settings = json.dumps({"lengths": [length], "benchmarks": benchmarks, **shared})
    words = f"--benchmark {benchmark} --task {task} --length {length} --tokenizer {tokenizer} --output {output}"
    build_command.run(parser.parse_args([*words.split(), "--data", f"books={books}", "--settings", settings]))
    return output


def generate(model: Path, samples: Path, output: Path) -> Path:
    parser = argparse.ArgumentParser()
    generate_command.add_arguments(parser)
    arguments = f"--model {model} --samples {samples} --output {output} --device cpu".split()
    generate_command.run(parser.parse_args(arguments))
    return output


@pytest.fixture(scope="module")
def samples(tmp_path_factory, tokenizer_folder, books_folder):
    folder = tmp_path_factory.mktemp("samples")
    settings = {
        "perplexity": {"samples": 40},
        "ruler": {"samples": 2, "niah_single_1": {"tokens_to_generate": 12}},
    }
    return {
        cell.partition("/")[0]: build(folder, cell, length, tokenizer_folder, books_folder, settings)
        for cell, length in (("perplexity/books", 200), ("ruler/niah_single_1", 450))
    }


def write_log(path: Path, header: dict, count: int) -> None:
    with prediction_log(path, header, IDS) as log:
        for identity in IDS[log.done : count]:
            log.append({"id": identity, "value": 1})


@pytest.mark.parametrize("done", [0, 1, 2])
@pytest.mark.parametrize("torn", [b"", b'{"id":"b","va', b'{"id":"c"}', b"\xff\xfe", b"null\n", b'{"id":"zz"}\n'])
def test_a_log_resumed_after_any_torn_end_has_the_bytes_of_an_unbroken_one(tmp_path, done, torn):
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    write_log(whole, HEADER, 3)
    write_log(broken, HEADER, done)
    with open(f"{broken}.partial", "ab") as handle:
        handle.write(torn)
    write_log(broken, HEADER, 3)
    assert broken.read_bytes() == whole.read_bytes()
    assert not Path(f"{broken}.partial").exists()


def test_a_partial_log_of_another_model_is_started_over(tmp_path, capsys):
    path = tmp_path / "p.jsonl"
    write_log(path, {**HEADER, "model": "other"}, 2)
    write_log(path, HEADER, 0)
    assert "starting over" in capsys.readouterr().err
    assert Path(f"{path}.partial").read_bytes().count(b"\n") == 1


def test_a_log_that_another_process_writes_is_refused(tmp_path):
    path = tmp_path / "p.jsonl"
    with prediction_log(path, HEADER, IDS), pytest.raises(InputError, match="another process"):
        write_log(path, HEADER, 3)


def test_killed_in_the_middle_and_run_again_it_writes_the_same_bytes(samples, model_folder, tmp_path):
    whole = generate(model_folder, samples["perplexity"], tmp_path / "whole.jsonl")
    killed = tmp_path / "killed.jsonl"
    words = f"generate --model {model_folder} --samples {samples['perplexity']} --output {killed} --device cpu"
    process = subprocess.run([sys.executable, "-c", DIES_AFTER_FOUR, *words.split()], cwd=ROOT, check=False)
    assert process.returncode == -signal.SIGKILL
    assert not killed.exists()
    torn = Path(f"{killed}.partial").read_bytes()
    assert torn.count(b"\n") == 5
    assert not torn.endswith(b"\n")
    generate(model_folder, samples["perplexity"], killed)
    assert killed.read_bytes() == whole.read_bytes()
    assert killed.read_bytes().startswith(torn[: torn.rindex(b"\n") + 1])


def test_predictions_hold_a_loss_for_every_token_but_the_first(samples, model_folder, tmp_path):
    output = generate(model_folder, samples["perplexity"], tmp_path / "p.jsonl")
    header, rows = read_predictions(output, read_samples(samples["perplexity"]))
    assert all(len(row["losses"]) == 199 for row in rows)
    assert header["parameters"] > 1000
    assert header["context_window"] == 512


def test_answers_are_text_and_repeat_exactly(samples, model_folder, tmp_path):
    once, again = (generate(model_folder, samples["ruler"], tmp_path / name) for name in ("1", "2"))
    assert once.read_bytes() == again.read_bytes()
    _, rows = read_predictions(once, read_samples(samples["ruler"]))
    assert all(isinstance(row["prediction"], str) and row["tokens"] <= 12 for row in rows)


def test_predictions_for_other_samples_are_refused(samples, model_folder, tmp_path, tokenizer_folder, books_folder):
    output = generate(model_folder, samples["perplexity"], tmp_path / "p.jsonl")
    settings = {"perplexity": {"samples": 40}}
    other = build(tmp_path, "perplexity/books", 200, tokenizer_folder, books_folder, settings, seed=1)
    with pytest.raises(InputError, match="other samples"):
        read_predictions(output, read_samples(other))


def test_a_model_with_another_tokenizer_is_refused(samples, model_folder, tmp_path):
    foreign = tmp_path / "model"
    shutil.copytree(model_folder, foreign)
    with open(foreign / "tokenizer.model", "ab") as handle:
        # A field that sentencepiece does not know: other bytes, the same pieces.
        handle.write(b"\xc0\x3e\x01")
    with pytest.raises(InputError, match="tokenizer"):
        generate(foreign, samples["perplexity"], tmp_path / "p.jsonl")


def test_hops_samples_are_left_to_detect(model_folder, tmp_path, tokenizer_folder, books_folder):
    path = build(tmp_path, "hops/3hop", 450, tokenizer_folder, books_folder, {"hops": {"samples": 1}})
    with pytest.raises(InputError, match="megatron_cdt detect"):
        generate(model_folder, path, tmp_path / "p.jsonl")


def test_samples_beyond_the_models_window_give_a_warning(
    model_folder, tmp_path, tokenizer_folder, books_folder, capsys
):
    path = build(tmp_path, "perplexity/books", 513, tokenizer_folder, books_folder, {"perplexity": {"samples": 1}})
    generate(model_folder, path, tmp_path / "p.jsonl")
    assert "window of 512" in capsys.readouterr().err


def test_building_twice_gives_the_same_bytes_whatever_else_is_asked_for(
    samples, tmp_path, tokenizer_folder, books_folder
):
    settings = {"perplexity": {"samples": 40}, "ruler": {"samples": 3}, "longppl": {"window": 32}}
    again = build(tmp_path, "perplexity/books", 200, tokenizer_folder, books_folder, settings)
    assert again.read_bytes() == samples["perplexity"].read_bytes()
    assert again.with_suffix(".manifest.json").read_bytes() == (
        samples["perplexity"].with_suffix(".manifest.json").read_bytes()
    )


def test_a_complete_file_is_published_again_without_a_leftover(tmp_path):
    for _ in range(2):
        write_log(tmp_path / "predictions.jsonl", HEADER, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["predictions.jsonl", "predictions.jsonl.kept"]
