"""Adapters go to PEFT and come from it: logits as ours, the same bits back, and one line for what is refused."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from contracts.errors import InputError
from contracts.manifest import read_manifest
from megatron_cdt.engine.device import megatron_calls
from megatron_cdt.engine.lora import TARGETS, LoraSettings
from megatron_cdt.engine.model import packed_row
from megatron_cdt.engine.options import Layout
from megatron_cdt.huggingface.adapter_folder import ADAPTER_FOLDER, CONFIG, WEIGHTS, AdapterFolder
from megatron_cdt.huggingface.config import read_architecture
from megatron_cdt.huggingface.weights import save_model
from tests.megatron_cdt.distributed import run_distributed, start_layout
from tests.megatron_cdt.huggingface.models import random_llama, random_row
from tests.megatron_cdt.huggingface.peft_models import our_adapted, random_adapter
from tests.megatron_cdt.huggingface.test_commands import run, tokenizer_folder  # noqa: F401 (a fixture)

TOLERANCE = {"rtol": 0, "atol": 1e-4}
ROW = random_row(40)
EVERYTHING = {"rank": 3, "alpha": 5.0, "targets": TARGETS, "train_embeddings": True, "train_norms": True}


@torch.no_grad()
def logits_of(model) -> torch.Tensor:
    return model.eval()(ROW[None]).logits[0]


@torch.no_grad()
def our_logits(model, groups) -> torch.Tensor:
    with megatron_calls():
        hidden = model.hidden_states(model.embed(ROW), packed_row([len(ROW)], groups))
        return hidden.squeeze(1) @ model.head_weight().T


@pytest.mark.parametrize(
    ("family", "lora", "changes"),
    [
        ("llama", {}, {}),
        ("llama", EVERYTHING, {"tie_word_embeddings": True}),
        ("qwen2", {"targets": ["v_proj", "gate_proj"]}, {}),
        ("qwen3", EVERYTHING, {}),
    ],
    ids=["attention", "tied-everything", "qwen2-some", "qwen3-everything"],
)
def test_merged_model_and_adapter_have_our_logits_and_the_adapter_comes_back_bit_by_bit(
    tmp_path, groups, family, lora, changes
):
    base, given, out = (tmp_path / name for name in ("base", "given", "out"))
    theirs = random_adapter(base, given, family, LoraSettings(**lora), **changes)
    model = our_adapted(base, given, groups)
    save_model(model, read_architecture(base), out, groups)
    wanted = our_logits(model, groups)
    torch.testing.assert_close(logits_of(theirs), wanted, **TOLERANCE)
    torch.testing.assert_close(logits_of(AutoModelForCausalLM.from_pretrained(out)), wanted, **TOLERANCE)
    torch.testing.assert_close(logits_of(from_peft(base, out / ADAPTER_FOLDER)), wanted, **TOLERANCE)
    before, after = (load_file(folder / WEIGHTS) for folder in (given, out / ADAPTER_FOLDER))
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert after.keys() == before.keys()


def from_peft(base: Path, adapter: Path):
    """The base model with an adapter, as PEFT's users load it."""
    peft = pytest.importorskip("peft", reason="peft is not installed (pip install peft); it is the oracle of LoRA")
    return peft.PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)


def exported(folder: Path, layouts: list) -> None:
    """In each process: the adapted model of `folder` exported under every layout."""
    for number, layout in enumerate(layouts):
        groups = start_layout(layout)
        model = our_adapted(folder / "base", folder / "given", groups)
        save_model(model, read_architecture(folder / "base"), folder / f"out-{number}", groups)


def test_two_processes_export_what_one_imports(tmp_path, groups):
    random_adapter(tmp_path / "base", tmp_path / "given", "qwen2", LoraSettings(**EVERYTHING))
    save_model(
        our_adapted(tmp_path / "base", tmp_path / "given", groups),
        read_architecture(tmp_path / "base"),
        tmp_path / "alone",
        groups,
    )
    layouts = [Layout(tensor=2), Layout(pipeline=2)]
    run_distributed(exported, 2, tmp_path, layouts)
    for number in range(len(layouts)):
        out, alone = tmp_path / f"out-{number}", tmp_path / "alone"
        for file in (WEIGHTS, CONFIG):
            assert (out / ADAPTER_FOLDER / file).read_bytes() == (alone / ADAPTER_FOLDER / file).read_bytes()
        one, two = (load_file(folder / "model.safetensors") for folder in (alone, out))
        for name, weight in one.items():
            torch.testing.assert_close(two[name], weight, rtol=1e-6, atol=1e-6)


def test_import_hf_and_export_hf_take_an_adapter_with_them(tmp_path, tokenizer_folder):  # noqa: F811
    theirs = random_adapter(tmp_path / "base", tmp_path / "given")
    given = ["--model", tmp_path / "base", "--adapter", tmp_path / "given"]
    assert run("import-hf", *given, "--output", tmp_path / "start") == 0
    exporting = ["--checkpoint", tmp_path / "start", "--tokenizer", tokenizer_folder, "--output", tmp_path / "out"]
    assert run("export-hf", *exporting) == 0
    out = tmp_path / "out"
    before, after = (load_file(folder / WEIGHTS) for folder in (tmp_path / "given", out / ADAPTER_FOLDER))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    torch.testing.assert_close(logits_of(AutoModelForCausalLM.from_pretrained(out)), logits_of(theirs), **TOLERANCE)
    assert {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"} <= read_manifest(out)["outputs"].keys()
    assert read_manifest(tmp_path / "start")["inputs"]["adapter"].keys() == {CONFIG, WEIGHTS}


def test_an_adapter_needs_the_model_that_it_is_for(tmp_path, capsys):
    settings = json.dumps({"architecture": {}, "adapter": "x"})
    assert run("import-hf", "--settings", settings, "--output", tmp_path / "start") == 2
    settings = json.dumps({"hugging_face": "base"})
    assert run("import-hf", "--settings", settings, "--adapter", "x", "--output", tmp_path / "start") == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "--adapter goes with --model; in settings, the key `adapter` stands beside hugging_face" in said[1]


@pytest.fixture
def adapter(tmp_path) -> Path:
    """A folder that PEFT wrote, to be spoiled."""
    random_adapter(tmp_path / "base", tmp_path / "adapter")
    return tmp_path / "adapter"


def read(adapter: Path) -> LoraSettings:
    return AdapterFolder(adapter).settings(read_architecture(adapter.parent / "base"))


def test_a_folder_as_peft_wrote_it_is_read(adapter):
    assert read(adapter) == LoraSettings(rank=8, alpha=16)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("use_dora", True),
        ("use_rslora", True),
        ("bias", "all"),
        ("fan_in_fan_out", True),
        ("rank_pattern", {"q_proj": 4}),
        ("peft_type", "IA3"),
    ],
)
def test_an_adapter_of_another_maths_is_refused(adapter, key, value):
    path = adapter / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(InputError, match=f"{key} .* is not supported; supported: plain LoRA"):
        read(adapter)


def test_an_adapter_of_some_layers_or_of_another_model_is_refused(adapter):
    weights = load_file(adapter / WEIGHTS)
    first, *others = sorted(weights)
    save_file({name: weights[name] for name in others}, adapter / WEIGHTS)
    with pytest.raises(InputError, match=f"{first} is missing; use an adapter of all layers"):
        read(adapter)
    save_file(weights | {"base_model.model.lm_head.weight": torch.zeros(2)}, adapter / WEIGHTS)
    with pytest.raises(InputError, match="none of the tensors"):
        read(adapter)
    save_file(weights, adapter / WEIGHTS)
    random_llama(adapter.parent / "base", hidden_size=36)
    with pytest.raises(InputError, match="use the adapter's own base model"):
        read(adapter)


def test_an_adapter_that_unties_the_head_is_refused(tmp_path):
    """PEFT trains a copy of the embedding and leaves the head as it was, unless it is told to train that too."""
    random_adapter(
        tmp_path / "base", tmp_path / "adapter", lora=LoraSettings(train_embeddings=True), tie_word_embeddings=True
    )
    weights = load_file(tmp_path / "adapter" / WEIGHTS)
    head = "base_model.model.lm_head.weight"
    save_file(weights | {head: weights[head] + 1}, tmp_path / "adapter" / WEIGHTS)
    with pytest.raises(InputError, match="and the model ties them"):
        read(tmp_path / "adapter")
    del weights[head]
    save_file(weights, tmp_path / "adapter" / WEIGHTS)
    with pytest.raises(InputError, match="is missing; use an adapter"):
        read(tmp_path / "adapter")


def test_a_pickled_adapter_or_none_at_all_is_refused(adapter):
    (adapter / WEIGHTS).rename(adapter / "adapter_model.bin")
    with pytest.raises(InputError, match="a pickle that may run code; save it again with safetensors"):
        read(adapter)
    (adapter / CONFIG).write_text("{")
    with pytest.raises(InputError, match="line 1: not valid JSON"):
        read(adapter)
    with pytest.raises(InputError, match="no such file; name a folder that PEFT wrote"):
        read(adapter.parent / "base")
