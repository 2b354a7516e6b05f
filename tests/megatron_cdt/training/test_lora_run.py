"""A training with LoRA as a command: killed and gone on with, exported, gone on from, and refused where it must be."""

import json
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from contracts import command_line
from contracts.manifest import read_manifest
from megatron_cdt.__main__ import COMMANDS
from megatron_cdt.engine.checkpoint import CHECKPOINTS_NAME
from tests.megatron_cdt.training.job import Job, model_folder, train_settings

LORA = {"rank": 3, "targets": ["q_proj", "v_proj", "o_proj", "up_proj"], "train_norms": True}
ADAPTER = "adapter_model.safetensors"
CP2 = {"layout": {"processes": 2, "context": 2}}


def lora_settings(**changes: object) -> dict:
    return train_settings(lora=LORA, **changes)


@pytest.fixture(scope="module")
def finished(job: Job, tmp_path_factory) -> Path:
    """The run folder of a run with LoRA that nobody disturbed."""
    run_folder = tmp_path_factory.mktemp("lora") / "run"
    job.train(lora_settings(**CP2), run_folder)
    return run_folder


def results(run_folder: Path) -> dict[str, bytes]:
    """Every byte that a run promises to reproduce."""
    model = model_folder(run_folder)
    files = [run_folder / "metrics.jsonl", run_folder / "validation.jsonl", model / "model.safetensors"]
    files += [model / "done.json", *sorted((model / "adapter").iterdir())]
    return {file.name: file.read_bytes() for file in files}


def steps_recorded(run_folder: Path) -> int:
    metrics = run_folder / "metrics.jsonl"
    return metrics.read_text().count("\n") if metrics.is_file() else 0


def command(*words: object) -> int:
    return command_line.main("megatron_cdt", COMMANDS, [str(word) for word in words])


@pytest.mark.parametrize("in_background", [False, True], ids=["saves-at-once", "saves-in-background"])
def test_killed_after_a_checkpoint_it_ends_with_the_same_bytes(job, finished, tmp_path, in_background):
    run_folder, settings = tmp_path / "run", lora_settings(checkpoint_async=in_background, **CP2)
    for steps in (3, 5):
        processes = job.start(settings, run_folder)
        while processes.running() and steps_recorded(run_folder) < steps:
            time.sleep(0.001)
        processes.kill()
    assert "going on after step" in job.train(settings, run_folder)
    assert results(run_folder) == results(finished)


def test_checkpoints_hold_what_is_trained_and_say_where_the_rest_is(job, finished):
    newest = finished / CHECKPOINTS_NAME / "step-00000006"
    record = json.loads((newest / "lora.json").read_text())
    assert (newest / record["start"]).resolve() == job.folder / "start"
    assert record["settings"]["rank"] == 3
    trained = sum(tensor.numel() for tensor in load_file(model_folder(finished) / "adapter" / ADAPTER).values())
    held = sum(file.stat().st_size for file in newest.glob("*.distcp"))
    # fp32 weights, and three numbers of Adam's each; a little for names.
    assert 16 * trained < held < 16 * trained + 300_000


def test_the_output_is_the_merged_model_and_the_adapter_lies_in_it(finished):
    model, manifest = model_folder(finished), read_manifest(model_folder(finished))
    assert f"adapter/{ADAPTER}" in manifest["outputs"]
    assert AutoModelForCausalLM.from_pretrained(model).config.model_type == "llama"


def test_export_hf_of_the_run_folder_writes_the_same_weights_and_finds_the_rest_by_itself(job, finished, tmp_path):
    exporting = ("export-hf", "--tokenizer", job.folder / "tokenizer", "--output", tmp_path / "out", "--checkpoint")
    assert command(*exporting, finished) == 0
    for name in ("model.safetensors", f"adapter/{ADAPTER}"):
        assert (tmp_path / "out" / name).read_bytes() == (model_folder(finished) / name).read_bytes()


def test_weights_that_were_left_alone_and_are_gone_or_others_are_told(job, finished, tmp_path, capsys):
    newest = finished / CHECKPOINTS_NAME / "step-00000006"
    exporting = ("export-hf", "--tokenizer", job.folder / "tokenizer", "--output", tmp_path / "out", "--checkpoint")
    record = json.loads((newest / "lora.json").read_text())
    try:
        (newest / "lora.json").write_text(json.dumps(record | {"start": "../nowhere"}))
        assert command(*exporting, newest) == 2
        assert "which is not there; put it back" in capsys.readouterr().err
        (newest / "lora.json").write_text(json.dumps(record | {"start_sha256": "0"}))
        assert command(*exporting, newest) == 2
        assert "which has other ones by now" in capsys.readouterr().err
    finally:
        (newest / "lora.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def start_with(job: Job, folder: Path, start: Path) -> Job:
    """The same job from another start checkpoint."""
    folder.mkdir()
    for name in ("packs", "held-back", "tokenizer"):
        (folder / name).symlink_to(job.folder / name)
    (folder / "start").symlink_to(start)
    return Job(folder)


def first_loss(run_folder: Path) -> float:
    return json.loads((run_folder / "metrics.jsonl").read_text().splitlines()[0])["loss"]


def test_a_training_goes_on_from_anothers_adapters_and_from_pefts_folder(job, finished, tmp_path, capsys):
    """Three starts with the same adapters have the same first step: the run, its folder of PEFT's, merged weights."""
    model, start = model_folder(finished), tmp_path / "start"
    base = tmp_path / "base"
    exporting = ("--tokenizer", job.folder / "tokenizer", "--output")
    assert command("export-hf", "--checkpoint", job.folder / "start", *exporting, base) == 0
    assert command("import-hf", "--model", base, "--adapter", model / "adapter", "--output", start) == 0
    assert command("import-hf", "--model", model, "--output", tmp_path / "merged") == 0
    one_step = {"steps": 1, "warmup_steps": 0, "checkpoint_interval": 1, "method": "ce"}
    losses = {}
    for name, folder, lora in (("run", finished, LORA), ("peft", start, LORA), ("merged", tmp_path / "merged", None)):
        again = start_with(job, tmp_path / f"{name}-job", folder)
        again.train(train_settings(lora=lora, **one_step), tmp_path / f"{name}-run")
        losses[name] = first_loss(tmp_path / f"{name}-run")
    assert losses["run"] == losses["peft"] == pytest.approx(losses["merged"], rel=1e-5)
    assert_same_file(*(model_folder(tmp_path / f"{name}-run") for name in ("run", "peft")), "model.safetensors")
    # The run of a run: its checkpoint names a checkpoint that names a checkpoint.
    assert command("export-hf", "--checkpoint", tmp_path / "run-run", *exporting, tmp_path / "again") == 0
    assert_same_file(tmp_path / "again", model_folder(tmp_path / "run-run"), "model.safetensors")


def assert_same_file(one: Path, other: Path, name: str) -> None:
    assert (one / name).read_bytes() == (other / name).read_bytes()


@pytest.mark.parametrize(
    ("lora", "complaint"),
    [
        (None, "has LoRA adapters; set train.lora to go on with them"),
        (LORA | {"rank": 4}, "has LoRA adapters with rank 3; set train.lora.rank to that"),
        (LORA | {"targets": ["q_proj"]}, "has LoRA adapters with targets q_proj, v_proj, o_proj, up_proj; set"),
        (LORA | {"alpha": 1}, "has LoRA adapters with alpha 16; set train.lora.alpha to that"),
    ],
)
def test_adapters_of_the_start_are_never_dropped_in_silence(job, finished, tmp_path, capsys, lora, complaint):
    again = start_with(job, tmp_path / "again", finished)
    arguments = again.arguments(train_settings(lora=lora), tmp_path / "run", "--dry-run")
    assert command(*arguments) == 2
    assert complaint in capsys.readouterr().err


def test_lora_under_two_ways_of_detection_is_two_trainings(job, tmp_path):
    losses = {}
    for through in ("adapted", "base"):
        settings = lora_settings(steps=3, cdt={"reduction": "sum", "detect_through": through})
        job.train(settings, tmp_path / through)
        losses[through] = [json.loads(line) for line in (tmp_path / through / "metrics.jsonl").read_text().splitlines()]
    first, last = (([losses[name][step] for name in losses]) for step in (0, 2))
    assert first[0] == first[1], "fresh adapters change nothing"
    assert last[0]["detection_loss"] != last[1]["detection_loss"]


def test_detection_through_the_base_needs_lora(job, tmp_path, capsys):
    settings = train_settings(cdt={"detect_through": "base"})
    assert command(*job.arguments(settings, tmp_path / "run", "--dry-run")) == 2
    assert "cdt.detect_through base means the model without its LoRA updates" in capsys.readouterr().err


def test_bf16_trains_and_its_merged_weights_are_the_fp32_sum_rounded_once(job, tmp_path):
    job.train(lora_settings(dtype="bfloat16", recompute="full"), tmp_path / "run")
    merged = load_file(model_folder(tmp_path / "run") / "model.safetensors")
    adapter = load_file(model_folder(tmp_path / "run") / "adapter" / ADAPTER)
    a, b = (adapter[f"base_model.model.model.layers.1.self_attn.o_proj.lora_{name}.weight"].float() for name in "AB")
    assert b.any()
    assert (
        command(
            "export-hf",
            "--checkpoint",
            job.folder / "start",
            "--tokenizer",
            job.folder / "tokenizer",
            "--output",
            tmp_path / "base",
        )
        == 0
    )
    name = "model.layers.1.self_attn.o_proj.weight"
    base = load_file(tmp_path / "base" / "model.safetensors")[name].bfloat16().float()
    torch.testing.assert_close(merged[name], (base + 16 / 3 * (b @ a)).bfloat16(), rtol=2**-8, atol=1e-6)
