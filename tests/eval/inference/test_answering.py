"""Cells that one command answers: what is complete stays, what fails does not keep back the rest."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from contracts.code_reach import code_facts
from contracts.errors import InputError
from eval.backends.model_files import end_tokens, model_digest, parameter_count, remembered_digest
from eval.backends.settings import GenerationSettings
from eval.building.samples import Cell, write_samples
from eval.commands import generate as generate_command
from eval.inference.answering import Inference
from eval.inference.predictions import prediction_log
from eval.inference.settings import InferenceSettings

ROOT = Path(__file__).parents[3]
SETTINGS = {"seed": 1, "begin_with_bos": False, "chat_template": None, "chat_date": "2024-07-26"}
NAMES = ("niah_single_1", "vt", "books")


def command(words: list) -> None:
    parser = argparse.ArgumentParser()
    generate_command.add_arguments(parser)
    generate_command.run(parser.parse_args([str(word) for word in words]))


def text_row(tokenizer, text: str, number: int) -> dict:
    """A prompt with a long text in its middle."""
    long = text[3000 * number : 3000 * number + 700]
    prompt = f"Read.\n{long}\nWho speaks in number {number}?"
    ids = tokenizer.encode(prompt)
    return {
        "input": prompt,
        "context": [6, 6 + len(long)],
        "question": f"Who speaks in number {number}?",
        "answer_prefix": "",
        "answers": ["Ishmael"],
        "chat": True,
        "tokens_to_generate": 12,
        "input_ids": ids,
        "length": len(ids) + 12,
    }


@pytest.fixture(scope="module")
def cells(tmp_path_factory, tokenizer, book_text) -> dict[str, Path]:
    """Samples of three small cells: two that are answered with text, one with losses."""
    folder = tmp_path_factory.mktemp("cells")
    texts = [text_row(tokenizer, book_text, number) for number in range(10)]
    losses = [{"input_ids": tokenizer.encode(book_text[4000 * number :][:600])} for number in range(3)]
    for name, rows in zip(NAMES, (texts[:5], texts[5:], losses), strict=True):
        write_samples(
            folder / f"{name}.jsonl",
            cell=Cell("perplexity" if name == "books" else "ruler", name, 450),
            rows=rows,
            facts={},
            inputs={"tokenizer_digest": tokenizer.digest},
            settings=SETTINGS,
            code=code_facts(),
            packages=(),
        )
    return {name: folder / f"{name}.jsonl" for name in NAMES}


def generate(model: Path, cells: dict[str, Path], folder: Path, *more) -> dict[str, Path]:
    outputs = {task: folder / f"{task}.predictions.jsonl" for task in cells}
    words = ["--model", model, "--device", "cpu", "--samples", *cells.values(), "--output", *outputs.values(), *more]
    command(words)
    return outputs


def test_cells_answered_together_are_those_answered_alone_in_any_order(cells, model_folder, tmp_path):
    together = generate(model_folder, cells, tmp_path / "together")
    backwards = generate(model_folder, dict(reversed(cells.items())), tmp_path / "backwards")
    rows = json.dumps({"generation": {"batch_rows": 2, "batch_tokens": 1000}})
    for task, path in cells.items():
        alone = generate(model_folder, {task: path}, tmp_path / task, "--settings", rows)[task]
        assert together[task].read_bytes() == backwards[task].read_bytes() == alone.read_bytes()


@pytest.mark.parametrize("done", [0, 1, 3, 4])
def test_texts_that_were_cut_off_in_the_middle_are_finished_with_the_same_bytes(cells, model_folder, tmp_path, done):
    whole = generate(model_folder, {"vt": cells["vt"]}, tmp_path / "whole")["vt"].read_bytes()
    lines = whole.splitlines(keepends=True)
    broken = tmp_path / "vt.predictions.jsonl"
    Path(f"{broken}.partial").write_bytes(b"".join(lines[: done + 1]) + lines[done + 1][:9])
    assert generate(model_folder, {"vt": cells["vt"]}, tmp_path)["vt"].read_bytes() == whole


def test_a_model_is_loaded_once_and_not_at_all_where_every_answer_is_there(cells, model_folder, tmp_path, monkeypatch):
    loads = []
    module = Inference(str(model_folder), "cpu", "dense", InferenceSettings(), GenerationSettings()).backend_module
    opened = module.open_backend
    monkeypatch.setattr(module, "open_backend", lambda *given: loads.append(1) or opened(*given))
    outputs = generate(model_folder, cells, tmp_path)
    before = {path: path.read_bytes() for path in outputs.values()}
    assert len(loads) == 1
    for path in outputs.values():
        os.utime(f"{path}.kept", (1, 1))
        path.unlink()
    generate(model_folder, cells, tmp_path)
    assert len(loads) == 1
    assert {path: path.read_bytes() for path in outputs.values()} == before
    assert all(path.stat().st_mtime > 1000 for path in outputs.values())


def test_a_cell_that_fails_does_not_keep_back_the_others(cells, model_folder, tmp_path, capsys):
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{}\n")
    asked = {"first": broken, **cells, "last": broken}
    with pytest.raises(InputError, match="broken"):
        generate(model_folder, asked, tmp_path)
    assert "error:" in capsys.readouterr().err
    expected = generate(model_folder, cells, tmp_path / "whole")
    for task in cells:
        assert (tmp_path / f"{task}.predictions.jsonl").read_bytes() == expected[task].read_bytes()
    assert not (tmp_path / "last.predictions.jsonl").exists()


def test_kept_answers_of_another_run_are_neither_used_nor_written_to(cells, make_model, model_folder, tmp_path):
    one = {"vt": cells["vt"]}
    output = generate(model_folder, one, tmp_path)["vt"]
    first = output.read_bytes()
    held = os.open(output, os.O_RDONLY)
    generate(make_model(seed=3, scale=4.0), one, tmp_path)
    assert output.read_bytes() != first
    assert os.read(held, len(first) + 1) == first
    os.close(held)
    Path(f"{output}.kept").write_bytes(first[: len(first) // 2])
    generate(model_folder, one, tmp_path)
    assert output.read_bytes() == first


def test_where_files_have_no_second_names_the_answers_are_copied(cells, model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    output = generate(model_folder, {"vt": cells["vt"]}, tmp_path)["vt"]
    assert output.read_bytes() == Path(f"{output}.kept").read_bytes()


def test_retrieval_answers_shorter_prompts_and_says_what_it_kept(cells, model_folder, tmp_path):
    text = {task: cells[task] for task in ("niah_single_1", "vt")}
    settings = json.dumps({"inference": {"rag": {"chunk_words": 20, "top_k": 2}}})
    outputs = generate(model_folder, text, tmp_path, "--inference", "rag", "--settings", settings)
    header, *rows = [json.loads(line) for line in outputs["niah_single_1"].read_text().splitlines()]
    assert header["inference"] == "rag"
    assert header["inference_settings"]["top_k"] == 2
    samples = [json.loads(line) for line in cells["niah_single_1"].read_text().splitlines()]
    for row, sample in zip(rows, samples, strict=True):
        assert len(row["retrieved"]) == 2
        assert row["input_tokens"] < len(sample["input_ids"])
    with pytest.raises(InputError, match="has no question"):
        generate(model_folder, {"books": cells["books"]}, tmp_path, "--inference", "rag")


def test_the_share_of_computed_blocks_is_with_every_answer_and_every_row_of_losses(cells, model_folder, tmp_path):
    settings = json.dumps({"inference": {"flexprefill": {"gamma": 0.5, "block": 16, "min_budget": 16}}})
    outputs = generate(model_folder, cells, tmp_path, "--inference", "flexprefill", "--settings", settings)
    for path in outputs.values():
        header, *rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert header["inference_settings"]["gamma"] == 0.5
        assert all(0 < row["computed_blocks"] < 1 for row in rows)


def test_the_header_names_method_backend_and_precision_and_changes_with_them(cells, model_folder):
    def described(inference: str = "dense", methods: dict | None = None, **generation) -> dict:
        options = InferenceSettings.model_validate(methods or {})
        given = GenerationSettings.model_validate(generation)
        return Inference(str(model_folder), "cpu", inference, options, given).description

    plain = described()
    assert (plain["inference"], plain["backend"], plain["dtype"], plain["device"]) == (
        "dense",
        "transformers",
        "float32",
        "cpu",
    )
    assert described(batch_rows=3, batch_tokens=9, cells_per_job=2) == plain
    assert described(methods={"rag": {"top_k": 9}}) == plain
    assert described("rag") != described("rag", {"rag": {"top_k": 9}})
    assert described(dtype="bfloat16") != plain
    assert described("xattention")["code_sha256"] != plain["code_sha256"] != described("rag")["code_sha256"]


def test_parameters_are_counted_and_end_tokens_read_without_loading_the_model(model_folder, tmp_path):
    weights = load_file(model_folder / "model.safetensors")
    assert parameter_count(model_folder) == sum(tensor.numel() for tensor in weights.values())
    assert end_tokens(model_folder) == [2]
    shutil.copy(model_folder / "config.json", tmp_path)
    assert end_tokens(tmp_path) == [2]
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [5, 6]}')
    assert end_tokens(tmp_path) == [5, 6]
    (tmp_path / "broken.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0not json")
    with pytest.raises(InputError, match="export the model again"):
        parameter_count(tmp_path)


def planned(folder: Path, cells: dict[str, Path], together: int = 16) -> tuple[Path, dict[str, Path]]:
    """A plan that puts the cells into one part, and the predictions files that it names."""
    outputs = {task: folder / task / "predictions.jsonl" for task in cells}
    pairs = [[str(cells[task]), str(outputs[task])] for task in cells]
    plan = folder / "plan.json"
    folder.mkdir(exist_ok=True)
    plan.write_text(json.dumps({"m/dense/all": [pairs[i : i + together] for i in range(0, len(pairs), together)]}))
    return plan, outputs


def answer_one(model: Path, cells: dict[str, Path], task: str, plan: Path, output: Path, **generation) -> None:
    settings = json.dumps({"generation": generation})
    words = ["--model", model, "--device", "cpu", "--plan", plan, "--settings", settings]
    command([*words, "--samples", cells[task], "--output", output])


def test_a_loaded_model_goes_on_with_the_part_of_its_cell(cells, model_folder, tmp_path, monkeypatch):
    expected = generate(model_folder, cells, tmp_path / "expected")
    plan, outputs = planned(tmp_path / "run", cells)
    answer_one(model_folder, cells, "vt", plan, outputs["vt"])
    assert outputs["vt"].read_bytes() == expected["vt"].read_bytes()
    others = [outputs[task] for task in cells if task != "vt"]
    assert not any(path.exists() for path in others)
    monkeypatch.setattr(Inference, "predictions", lambda *_: pytest.fail("answered twice"))
    for task in cells:
        answer_one(model_folder, cells, task, plan, outputs[task])
        assert outputs[task].read_bytes() == expected[task].read_bytes()


def test_it_stops_going_on_when_its_time_is_over_and_at_the_ends_of_a_part(cells, model_folder, tmp_path):
    plan, outputs = planned(tmp_path / "late", cells)
    answer_one(model_folder, cells, "vt", plan, outputs["vt"], ahead_minutes=0)
    assert sorted(path.name for path in (tmp_path / "late").rglob("*.kept")) == ["predictions.jsonl.kept"]
    plan, outputs = planned(tmp_path / "short", cells, together=2)
    answer_one(model_folder, cells, "vt", plan, outputs["vt"])
    assert len(list((tmp_path / "short").rglob("*.kept"))) == 2


def test_cells_ahead_that_cannot_be_answered_are_left_to_their_own_jobs(cells, model_folder, tmp_path):
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{}\n")
    asked = {"vt": cells["vt"], "broken": broken, "absent": tmp_path / "absent.jsonl", "books": cells["books"]}
    plan, outputs = planned(tmp_path / "run", asked)
    with prediction_log(outputs["books"], {}, ["a"]):
        answer_one(model_folder, cells, "vt", plan, outputs["vt"])
    assert outputs["vt"].exists()
    assert len(list((tmp_path / "run").rglob("*.kept"))) == 1
    with pytest.raises(InputError, match="broken"):
        answer_one(model_folder, asked, "broken", plan, outputs["broken"])


def test_a_cell_that_another_job_is_at_is_waited_for(cells, model_folder, tmp_path):
    plan, outputs = planned(tmp_path / "run", {"vt": cells["vt"]})
    expected = generate(model_folder, {"vt": cells["vt"]}, tmp_path / "expected")["vt"]
    lines = expected.read_bytes().splitlines(keepends=True)
    identities = [json.loads(line)["id"] for line in lines[1:]]
    held = threading.Event()

    def other_job() -> None:
        with prediction_log(outputs["vt"], json.loads(lines[0]), identities, named=False) as log:
            held.set()
            time.sleep(0.5)
            for line in lines[1:]:
                log.append(json.loads(line))

    thread = threading.Thread(target=other_job)
    thread.start()
    held.wait()
    answer_one(model_folder, cells, "vt", plan, outputs["vt"])
    thread.join()
    assert outputs["vt"].read_bytes() == expected.read_bytes()
    assert not Path(f"{outputs['vt']}.partial").exists()


def test_the_digest_of_a_model_is_remembered_as_long_as_its_files_stay(make_model, tmp_path, monkeypatch):
    folder = make_model(seed=9)
    first = remembered_digest(folder, tmp_path)
    assert first == model_digest(folder) == remembered_digest(folder, None)
    with monkeypatch.context() as patch:
        patch.setattr("eval.backends.model_files.model_digest", lambda folder: pytest.fail("read again"))
        assert remembered_digest(folder, tmp_path) == first
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    assert remembered_digest(folder, tmp_path) == model_digest(folder) != first


def test_a_finished_cell_is_recognised_without_torch(cells, model_folder, tmp_path):
    plan, outputs = planned(tmp_path / "run", {"vt": cells["vt"]})
    answer_one(model_folder, cells, "vt", plan, outputs["vt"])
    outputs["vt"].unlink()
    words = ["generate", "--model", model_folder, "--device", "cpu", "--plan", plan]
    words = [*words, "--samples", cells["vt"], "--output", outputs["vt"]]
    program = (
        "import sys; from contracts import command_line; from eval.__main__ import COMMANDS; "
        "code = command_line.main('eval', COMMANDS, sys.argv[1:]); sys.exit(code or 'torch' in sys.modules)"
    )
    settings = ["--settings", json.dumps({"generation": {}})]
    asked = [sys.executable, "-c", program, *map(str, words), *settings]
    assert subprocess.run(asked, cwd=ROOT, check=False).returncode == 0
    assert outputs["vt"].exists()


def test_as_many_outputs_as_samples_are_needed(cells, model_folder, tmp_path):
    words = ["--model", model_folder, "--samples", *cells.values(), "--output", tmp_path / "one.jsonl"]
    with pytest.raises(InputError, match="as many of both"):
        command(words)


def test_losses_that_are_no_numbers_are_refused(cells, model_folder, monkeypatch):
    answers = Inference(str(model_folder), "cpu", "dense", InferenceSettings(), GenerationSettings())
    monkeypatch.setattr(type(answers.backend), "losses", lambda *_: ([1.0, float("nan")], None))
    with pytest.raises(InputError, match="not finite"):
        answers.losses({"id": "x", "input_ids": [1, 2, 3]})
