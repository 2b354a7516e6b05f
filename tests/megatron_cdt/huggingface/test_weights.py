"""Weights in and out: the same bits, whatever the files, dtypes and layouts; bad files in one line."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from contracts.errors import InputError
from megatron_cdt.engine.model import ModelOptions, build_model
from megatron_cdt.engine.parallel import Layout
from megatron_cdt.huggingface.config import read_architecture
from megatron_cdt.huggingface.fresh import FreshWeights, initialize_weights
from megatron_cdt.huggingface.names import tensor_shapes
from megatron_cdt.huggingface.tensor_files import TensorFolder, plan_files
from megatron_cdt.huggingface.weights import load_weights, save_model
from tests.megatron_cdt.distributed import run_distributed, start_layout
from tests.megatron_cdt.huggingface.models import CLASSES, random_llama, random_model

BIASES = {"attention_bias": True, "mlp_bias": True}


def tensors_of(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


def assert_same_tensors(left: Path, right: Path) -> None:
    left, right = tensors_of(left), tensors_of(right)
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        assert tensor.dtype == right[name].dtype
        assert torch.equal(tensor, right[name]), name


def through_megatron(source: Path, target: Path, groups, **options) -> None:
    architecture = read_architecture(source)
    model = build_model(architecture, groups, ModelOptions(dtype=getattr(torch, architecture.dtype)))
    load_weights(model, source, groups)
    save_model(model, architecture, target, groups, **options)


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_every_tensor_comes_out_as_it_went_in(tmp_path, groups, dtype, tied):
    random_llama(tmp_path / "in", dtype=dtype, tie_word_embeddings=tied)
    through_megatron(tmp_path / "in", tmp_path / "out", groups)
    assert_same_tensors(tmp_path / "in", tmp_path / "out")
    assert ("lm_head.weight" in tensors_of(tmp_path / "out")) == (not tied)


@pytest.mark.parametrize(
    "changes", [{"num_key_value_heads": 6}, {"num_key_value_heads": 1}, {"head_dim": 14}, BIASES], ids=str
)
def test_every_grouping_of_heads_and_every_bias_comes_out_as_it_went_in(tmp_path, groups, changes):
    random_llama(tmp_path / "in", **changes)
    through_megatron(tmp_path / "in", tmp_path / "out", groups)
    assert_same_tensors(tmp_path / "in", tmp_path / "out")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", CLASSES)
def test_every_family_comes_out_as_it_went_in_from_several_files(tmp_path, groups, family, dtype):
    random_model(tmp_path / "in", family, dtype=dtype, file_size="30KB")
    assert len(list((tmp_path / "in").glob("*.safetensors"))) > 2
    through_megatron(tmp_path / "in", tmp_path / "out", groups, file_bytes=30_000)
    assert_same_tensors(tmp_path / "in", tmp_path / "out")


def test_models_in_several_files_are_read_and_written(tmp_path, groups):
    random_llama(tmp_path / "in", file_size="60KB")
    assert len(list((tmp_path / "in").glob("*.safetensors"))) > 2
    through_megatron(tmp_path / "in", tmp_path / "out", groups, file_bytes=60_000)
    files = list((tmp_path / "out").glob("*.safetensors"))
    assert len(files) > 2
    assert all(file.stat().st_size < 65_000 for file in files)
    assert_same_tensors(tmp_path / "in", tmp_path / "out")
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == {file.name for file in files}
    assert index["metadata"]["total_size"] == sum(t.nbytes for t in tensors_of(tmp_path / "out").values())
    through_megatron(tmp_path / "out", tmp_path / "one", groups)
    assert_same_tensors(tmp_path / "in", tmp_path / "one")


def test_a_file_holds_no_more_than_its_limit_unless_one_tensor_does():
    assert plan_files({"a": 4, "b": 4, "c": 9, "d": 1}, limit=8) == {
        "model-00001-of-00003.safetensors": ["a", "b"],
        "model-00002-of-00003.safetensors": ["c"],
        "model-00003-of-00003.safetensors": ["d"],
    }


def test_an_fp32_model_can_be_stored_in_bf16(tmp_path, groups):
    random_llama(tmp_path / "in")
    through_megatron(tmp_path / "in", tmp_path / "out", groups, dtype=torch.bfloat16)
    assert read_architecture(tmp_path / "out").dtype == "bfloat16"
    stored, exact = tensors_of(tmp_path / "out"), tensors_of(tmp_path / "in")
    assert all(torch.equal(stored[name], exact[name].bfloat16()) for name in exact)


def save_fresh(source, target, groups):
    """Fill a model of the folder's architecture with fresh weights and save it; returns its embedding rows here."""
    architecture = read_architecture(source)
    model = build_model(architecture, groups)
    initialize_weights(model, architecture, 5, groups)
    save_model(model, architecture, target, groups)
    return model.embedding.word_embeddings.weight.shape[0]


def in_two_processes(folders):
    """Every model under TP 2: loaded and saved, then filled with fresh weights and saved."""
    groups = start_layout(Layout(tensor=2))
    for folder in folders:
        through_megatron(folder / "in", folder / "tp2", groups)
    return [save_fresh(folder / "in", folder / "fresh-tp2", groups) for folder in folders]


def test_two_tensor_parallel_processes_write_the_files_of_one(tmp_path, groups):
    folders = [tmp_path / family for family in CLASSES]
    for folder in folders:
        random_model(folder / "in", folder.name, file_size="60KB")
    assert run_distributed(in_two_processes, 2, folders) == [[48] * len(folders)] * 2
    for folder in folders:
        assert_same_tensors(folder / "in", folder / "tp2")
        save_fresh(folder / "in", folder / "fresh", groups)
        one, two = (folder / name / "model.safetensors" for name in ("fresh", "fresh-tp2"))
        assert one.read_bytes() == two.read_bytes()


def test_fresh_weights_follow_megatrons_conventions(tiny_architecture):
    wide = tiny_architecture.model_copy(update={"hidden_size": 256, "vocab_size": 512})
    fresh = FreshWeights(wide, seed=1)
    values = {name: fresh.read(name) for name in tensor_shapes(wide)}
    assert torch.equal(values["model.norm.weight"], torch.ones(256))
    assert values["model.embed_tokens.weight"].std() == pytest.approx(0.02, rel=0.02)
    assert values["model.layers.1.self_attn.q_proj.weight"].std() == pytest.approx(0.02, rel=0.05)
    # Two layers: 0.02 / sqrt(2 * 2).
    assert values["model.layers.1.self_attn.o_proj.weight"].std() == pytest.approx(0.01, rel=0.05)
    assert values["model.layers.1.mlp.down_proj.weight"].std() == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize(
    ("family", "name", "value"), [("qwen2", "self_attn.k_proj.bias", 0.0), ("qwen3", "self_attn.k_norm.weight", 1.0)]
)
def test_fresh_biases_are_0_and_fresh_norms_1(tiny_architecture, family, name, value):
    architecture = tiny_architecture.model_copy(update={"family": family})
    name = f"model.layers.0.{name}"
    fresh = FreshWeights(architecture, seed=1).read(name)
    assert torch.equal(fresh, torch.full(tensor_shapes(architecture)[name], value))


def test_fresh_weights_depend_on_the_seed_and_on_the_tensor_alone(tiny_architecture):
    name, other = "model.layers.0.self_attn.k_proj.weight", "model.layers.0.self_attn.v_proj.weight"
    first = FreshWeights(tiny_architecture, seed=1)
    first.read(other)
    assert torch.equal(first.read(name), FreshWeights(tiny_architecture, seed=1).read(name))
    assert not torch.equal(first.read(name), FreshWeights(tiny_architecture, seed=2).read(name))
    assert not torch.equal(first.read(name), first.read(other))


def rewrite(folder: Path, change) -> None:
    """Apply `change` to the dict of tensors in the folder's single file."""
    tensors = tensors_of(folder)
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def load(folder: Path, groups) -> None:
    load_weights(build_model(read_architecture(folder), groups), folder, groups)


DOWN = "model.layers.1.mlp.down_proj.weight"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda tensors: tensors.pop(DOWN), rf"no tensor {DOWN} \(1 missing\)"),
        (lambda tensors: tensors.update({DOWN: torch.zeros(48, 79)}), rf"{DOWN} is \[48, 79\], config.json says"),
        (lambda tensors: tensors.update({"model.extra": torch.zeros(1)}), "unknown tensor model.extra"),
        (
            lambda tensors: tensors.update({"model.layers.0.self_attn.q_proj.bias": torch.zeros(1)}),
            "unknown tensor model.layers.0.self_attn.q_proj.bias",
        ),
    ],
)
def test_weights_that_do_not_fit_the_config_are_refused(tmp_path, groups, change, complaint):
    random_llama(tmp_path)
    rewrite(tmp_path, change)
    with pytest.raises(InputError, match=complaint):
        load(tmp_path, groups)


def test_stored_rotary_frequencies_and_a_repeated_tied_head_are_harmless(tmp_path, groups):
    random_llama(tmp_path, tie_word_embeddings=True)
    rewrite(
        tmp_path,
        lambda tensors: tensors.update(
            {
                "model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(4),
                "lm_head.weight": tensors["model.embed_tokens.weight"].clone(),
            }
        ),
    )
    load(tmp_path, groups)


def test_a_tied_head_that_differs_from_the_embedding_is_refused(tmp_path, groups):
    random_llama(tmp_path, tie_word_embeddings=True)
    rewrite(tmp_path, lambda tensors: tensors.update({"lm_head.weight": torch.zeros(96, 48)}))
    with pytest.raises(InputError, match="set tie_word_embeddings to false"):
        load(tmp_path, groups)


def test_a_pickle_is_refused_with_the_cure(tmp_path):
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(InputError, match="safe_serialization=True"):
        TensorFolder(tmp_path)


def test_missing_torn_and_foreign_files_are_one_line(tmp_path, groups):
    with pytest.raises(InputError, match="fetch the weights"):
        TensorFolder(tmp_path)
    random_llama(tmp_path / "torn")
    file = tmp_path / "torn" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load(tmp_path / "torn", groups)
    random_llama(tmp_path / "part", file_size="60KB")
    sorted((tmp_path / "part").glob("*.safetensors"))[-1].unlink()
    with pytest.raises(InputError, match=r"no such file, but model\.safetensors\.index\.json names it"):
        load(tmp_path / "part", groups)


def test_quantised_weights_are_refused(tmp_path):
    save_file({"a": torch.zeros(4, dtype=torch.int8)}, tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="I8; supported: F32, BF16, F16"):
        TensorFolder(tmp_path).dtype()


def test_weights_of_mixed_precision_are_held_in_fp32(tmp_path):
    save_file({"a": torch.zeros(4), "b": torch.zeros(4, dtype=torch.bfloat16)}, tmp_path / "model.safetensors")
    assert TensorFolder(tmp_path).dtype() == "float32"


def test_a_model_of_another_shape_is_refused(tmp_path, groups):
    random_llama(tmp_path)
    wider = read_architecture(tmp_path).model_copy(update={"ffn_hidden_size": 96})
    with pytest.raises(InputError, match="build the model from the weights' own"):
        load_weights(build_model(wider, groups), tmp_path, groups)
