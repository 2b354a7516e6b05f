"""import-hf and export-hf as people type them, and what transformers makes of the exported folder."""

import json

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from contracts import command_line
from contracts.manifest import read_manifest
from megatron_cdt.__main__ import COMMANDS
from megatron_cdt.engine.checkpoint import read_architecture_of, save_model_checkpoint
from megatron_cdt.engine.parallel import Layout, start_processes
from tests.megatron_cdt.huggingface.models import (
    LLAMA3,
    YARN,
    our_logits,
    random_llama,
    random_model,
    random_row,
    transformers_logits,
)

TEXT = "It was a bright cold day in April, and the clocks were striking thirteen."
SCRATCH = {
    "hidden_size": 48,
    "num_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "ffn_hidden_size": 80,
    "max_position_embeddings": 256,
}


def run(*words) -> int:
    return command_line.main("megatron_cdt", COMMANDS, [str(word) for word in words])


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory):
    """A byte-level BPE of 60 ids as transformers saves it, with <s> and </s>."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=60, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    tokenizer.train_from_iterator([TEXT] * 9, trainer)
    folder = tmp_path_factory.mktemp("tokenizer")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    fast.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_import_then_export_gives_the_same_bits_and_a_folder_that_transformers_loads(tmp_path, tokenizer_folder, dtype):
    random_llama(tmp_path / "in", dtype=dtype, rope_parameters=LLAMA3 | {"rope_theta": 5e5})
    assert run("import-hf", "--model", tmp_path / "in", "--output", tmp_path / "start") == 0
    out = tmp_path / "out"
    assert run("export-hf", "--checkpoint", tmp_path / "start", "--tokenizer", tokenizer_folder, "--output", out) == 0
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("in", "out"))
    assert before.keys() == after.keys()
    assert all(before[name].dtype == after[name].dtype and torch.equal(before[name], after[name]) for name in before)

    model, tokenizer = AutoModelForCausalLM.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    assert model.dtype == dtype
    assert (model.generation_config.bos_token_id, model.generation_config.eos_token_id) == (1, 2)
    assert tokenizer.encode(TEXT) == AutoTokenizer.from_pretrained(tokenizer_folder).encode(TEXT)
    assert read_manifest(out)["outputs"].keys() >= {"config.json", "model.safetensors", "tokenizer.json"}


FAMILY_MODELS = [
    ("mistral", {}),
    ("mistral", {"sliding_window": 40}),
    ("qwen2", {"tie_word_embeddings": True}),
    ("qwen2", {"rope_parameters": YARN | {"rope_theta": 1e6}}),
    ("qwen3", {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6}}),
]


@pytest.mark.parametrize(
    ("family", "changes"), FAMILY_MODELS, ids=["mistral", "mistral-window", "qwen2-tied", "qwen2-yarn", "qwen3"]
)
def test_every_family_comes_out_as_the_same_class_with_the_same_loss(tmp_path, tokenizer_folder, family, changes):
    given = random_model(tmp_path / "in", family, **changes)
    start, out = tmp_path / "start", tmp_path / "out"
    assert run("import-hf", "--model", tmp_path / "in", "--output", start) == 0
    assert run("export-hf", "--checkpoint", start, "--tokenizer", tokenizer_folder, "--output", out) == 0
    again, ids = AutoModelForCausalLM.from_pretrained(out), random_row(40)[None]
    assert type(again) is type(given)
    with torch.no_grad():
        assert again(ids, labels=ids).loss == given(ids, labels=ids).loss
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("in", "out"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


LONGER = [
    {"rope_theta": 2e7, "max_position_embeddings": 2048},
    {"rope_scaling": YARN | {"factor": 8.0}},
    {"rope_scaling": LLAMA3, "rope_theta": 5e5},
]


@pytest.mark.parametrize("changes", LONGER, ids=["base", "yarn", "llama3"])
def test_an_extended_context_is_trained_and_exported(tmp_path, tokenizer_folder, changes):
    """The checkpoint's logits, the exported folder's, and those of transformers with the same settings agree."""
    given = random_llama(tmp_path / "in", rope_parameters={"rope_type": "default", "rope_theta": 5e5})
    settings = json.dumps({"hugging_face": str(tmp_path / "in"), **changes})
    start, out = tmp_path / "start", tmp_path / "out"
    assert run("import-hf", "--settings", settings, "--output", start) == 0
    assert run("export-hf", "--checkpoint", start, "--tokenizer", tokenizer_folder, "--output", out) == 0
    ids = random_row(144)
    ours = our_logits(out, start_processes(Layout()), ids, [144])
    exported = AutoModelForCausalLM.from_pretrained(out)
    torch.testing.assert_close(ours, transformers_logits(exported, ids, [144]), rtol=0, atol=1e-4)
    assert (ours - transformers_logits(given, ids, [144])).abs().max() > 0.01

    asked = {"rope_theta": 5e5, **changes.get("rope_scaling", {"rope_type": "default"})}
    asked |= {"rope_theta": changes["rope_theta"]} if "rope_theta" in changes else {}
    expected = random_llama(tmp_path / "expected", rope_parameters=asked)
    torch.testing.assert_close(ours, transformers_logits(expected, ids, [144]), rtol=0, atol=1e-4)
    lengths = {"base": 2048, "yarn": 512, "llama3": 256}
    kind = changes.get("rope_scaling", {}).get("rope_type", "base")
    assert exported.config.max_position_embeddings == lengths[kind]
    assert exported.config.rope_parameters["rope_theta"] == asked["rope_theta"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"max_position_embeddings": 128}, "model.max_position_embeddings would become 128, below the folder's 256"),
        ({"rope_scaling": YARN, "max_position_embeddings": 1024}, "leave it out, or set the factor to 16"),
        ({"rope_scaling": YARN | {"factor": 2.0}}, "would become 128, below the folder's 256"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 8.0}}, "yarn needs original_max_position_embeddings"),
        ({"rope_scaling": {"rope_type": "dynamic", "factor": 8.0}}, "rope_type"),
        ({"rope_scaling": {"rope_type": "linear", "factor": 8.0, "beta_fast": 16.0}}, "linear does not read beta_fast"),
        ({"rope_theta": 0.0}, "rope_theta"),
        ({"hugging_face": None, "architecture": SCRATCH, "rope_theta": 2e7}, "set architecture.rope_theta"),
    ],
)
def test_an_extension_that_contradicts_the_model_is_one_line(tmp_path, capsys, changes, complaint):
    random_llama(tmp_path / "in")
    capsys.readouterr()
    settings = json.dumps({"hugging_face": str(tmp_path / "in"), **changes})
    assert run("import-hf", "--settings", settings, "--output", tmp_path / "start") == 2
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1
    assert not (tmp_path / "start").exists()


def test_the_exported_model_scores_the_loss_that_the_trainer_computes(tmp_path, tokenizer_folder):
    settings = tmp_path / "model.yaml"
    settings.write_text(json.dumps({"architecture": SCRATCH | {"initializer_range": 0.2}, "seed": 3}))
    start, out = tmp_path / "start", tmp_path / "out"
    assert run("import-hf", "--settings", settings, "--vocab-size-from", tokenizer_folder, "--output", start) == 0
    assert run("export-hf", "--checkpoint", start, "--tokenizer", tokenizer_folder, "--output", out) == 0
    model, tokenizer = AutoModelForCausalLM.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    ids = tokenizer(TEXT, return_tensors="pt").input_ids
    with torch.no_grad():
        theirs = model(ids, labels=ids).loss
    ours = F.cross_entropy(our_logits(out, start_processes(Layout()), ids[0], [ids.shape[1]])[:-1], ids[0, 1:])
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert theirs > 1


def test_a_model_from_scratch_takes_its_vocabulary_from_the_tokenizer(tmp_path, tokenizer_folder):
    settings = json.dumps({"architecture": SCRATCH})
    for name in ("one", "two"):
        words = ("--settings", settings, "--vocab-size-from", tokenizer_folder, "--output", tmp_path / name)
        assert run("import-hf", *words) == 0
    assert read_architecture_of(tmp_path / "one").vocab_size == 60
    assert (tmp_path / "one" / "manifest.json").read_bytes() == (tmp_path / "two" / "manifest.json").read_bytes()


def test_a_tokenizer_from_a_model_keeps_that_models_generation_settings(tmp_path, tokenizer_folder):
    (tmp_path / "tokenizer").mkdir()
    for file in tokenizer_folder.iterdir():
        (tmp_path / "tokenizer" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "tokenizer" / "generation_config.json").write_text('{"eos_token_id": [2, 7]}')
    start, out = tmp_path / "start", tmp_path / "out"
    settings = json.dumps({"architecture": SCRATCH | {"vocab_size": 96}})
    assert run("import-hf", "--settings", settings, "--output", start) == 0
    assert run("export-hf", "--checkpoint", start, "--tokenizer", tmp_path / "tokenizer", "--output", out) == 0
    assert AutoModelForCausalLM.from_pretrained(out).generation_config.eos_token_id == [2, 7]


def test_a_run_folder_is_exported_from_its_newest_checkpoint_in_the_dtype_asked_for(tmp_path, tokenizer_folder):
    for step in (2, 10):
        settings = json.dumps({"architecture": SCRATCH | {"vocab_size": 96}, "seed": step})
        words = ("--settings", settings, "--output", tmp_path / "run" / "checkpoints" / f"step-{step}")
        assert run("import-hf", *words) == 0
    words = ("--tokenizer", tokenizer_folder, "--dtype", "bfloat16")
    newest, last = tmp_path / "newest", tmp_path / "last"
    assert run("export-hf", "--checkpoint", tmp_path / "run", *words, "--output", newest) == 0
    ten = tmp_path / "run" / "checkpoints" / "step-10"
    assert run("export-hf", "--checkpoint", ten, *words, "--output", last) == 0
    assert (newest / "model.safetensors").read_bytes() == (last / "model.safetensors").read_bytes()
    assert AutoModelForCausalLM.from_pretrained(newest).dtype == torch.bfloat16


def test_a_bf16_model_that_was_trained_in_fp32_is_exported_in_fp32(
    tmp_path, tokenizer_folder, groups, tiny_model, tiny_architecture
):
    narrow = tiny_architecture.model_copy(update={"dtype": "bfloat16"})
    start, out = tmp_path / "start", tmp_path / "out"
    save_model_checkpoint(tiny_model, narrow, start, groups)
    norm = tiny_model.decoder.final_layernorm.weight.detach().clone()
    assert run("export-hf", "--checkpoint", start, "--tokenizer", tokenizer_folder, "--output", out) == 0
    assert torch.equal(load_file(out / "model.safetensors")["model.norm.weight"], norm)
    assert AutoModelForCausalLM.from_pretrained(out).dtype == torch.float32


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({}, "give hugging_face (a folder with config.json) or architecture"),
        ({"hugging_face": "m", "architecture": SCRATCH}, "keep one of them"),
        ({"architecture": SCRATCH}, "vocab_size is null; set it, or name a tokenizer"),
        ({"architecture": SCRATCH | {"vocab_size": 0}}, "vocab_size"),
        ({"architecture": SCRATCH | {"num_key_value_heads": 4}}, "num_attention_heads 6 must be a multiple"),
        ({"architecture": SCRATCH | {"head_dim": 7}}, "head_dim 7 must be even"),
        ({"architecture": SCRATCH | {"hidden_size": 50}}, "must be a multiple of num_attention_heads"),
        ({"hugging_face": "absent-folder"}, "absent-folder: no such folder; name a Hugging Face model folder"),
    ],
)
def test_wrong_model_settings_are_one_line_and_exit_code_2(tmp_path, capsys, settings, complaint):
    assert run("import-hf", "--settings", json.dumps(settings), "--output", tmp_path / "start") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert complaint in error
    assert error.count("\n") == 1
    assert not (tmp_path / "start").exists()


def test_a_tokenizer_larger_than_the_model_is_refused_by_both_commands(tmp_path, tokenizer_folder, capsys):
    settings = json.dumps({"architecture": SCRATCH | {"vocab_size": 50}})
    start, out = tmp_path / "start", tmp_path / "out"
    words = ("import-hf", "--settings", settings, "--output", start)
    assert run(*words, "--vocab-size-from", tokenizer_folder) == 2
    assert "the tokenizer has 60 ids and the model 50 rows" in capsys.readouterr().err
    assert run(*words) == 0
    assert run("export-hf", "--checkpoint", start, "--tokenizer", tokenizer_folder, "--output", out) == 2
    assert "the tokenizer has 60 ids and the model 50 rows" in capsys.readouterr().err
    assert not list(tmp_path.glob("out*"))


def test_a_folder_that_is_no_checkpoint_cannot_be_exported(tmp_path, tokenizer_folder, capsys):
    words = ("--tokenizer", tokenizer_folder, "--output", tmp_path / "out")
    assert run("export-hf", "--checkpoint", tmp_path, *words) == 2
    assert "no checkpoint here; name a checkpoint folder or a run folder" in capsys.readouterr().err
