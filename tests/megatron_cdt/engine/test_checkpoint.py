"""Megatron checkpoints: any layout reads what any layout wrote, and a broken folder is one line."""

import pytest
import torch

from contracts.errors import InputError
from megatron_cdt.engine.checkpoint import (
    load_model_checkpoint,
    model_state,
    newest_checkpoint,
    read_architecture_of,
    reproducible_files,
    save_model_checkpoint,
)
from megatron_cdt.engine.model import ModelOptions, build_model
from megatron_cdt.engine.parallel import Layout
from tests.megatron_cdt.distributed import run_distributed, start_layout


@pytest.fixture
def even_architecture(tiny_architecture):
    """The tiny model with a vocabulary that two tensor-parallel ranks share."""
    return tiny_architecture.model_copy(update={"vocab_size": 98})


@pytest.fixture
def saved(tmp_path, groups, even_architecture):
    """A model and the checkpoint of it."""
    model = build_model(even_architecture, groups)
    save_model_checkpoint(model, even_architecture, tmp_path / "start", groups)
    return model, tmp_path / "start"


def bits(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def assert_same_bits(left, right):
    assert left.keys() == right.keys()
    assert all(left[name].dtype == right[name].dtype and torch.equal(left[name], right[name]) for name in left)


def reshard(source, folder):
    """Each of two processes, under TP 2 and then CP 2: load `source`, save it; return its own shards."""
    shards = []
    for name, layout in (("tp2", Layout(tensor=2)), ("cp2", Layout(context=2))):
        groups = start_layout(layout)
        architecture = read_architecture_of(source)
        model = build_model(architecture, groups)
        load_model_checkpoint(model, source, groups)
        save_model_checkpoint(model, architecture, folder / name, groups, lambda made: (made / "note").write_text("x"))
        shards.append(bits(model))
        source = folder / name
    return shards


def test_one_process_to_tp2_to_cp2_to_one_process_keeps_every_bit(saved, tmp_path, groups, even_architecture):
    model, folder = saved
    (tp_first, cp_first), (tp_second, _) = run_distributed(reshard, 2, folder, tmp_path)
    whole = bits(model)
    embedding = "embedding.word_embeddings.weight"
    assert torch.equal(torch.cat([tp_first[embedding], tp_second[embedding]]), whole[embedding])
    assert not torch.equal(tp_first[embedding], tp_second[embedding])
    assert_same_bits(cp_first, whole)
    for name in ("tp2", "cp2"):
        again = build_model(even_architecture, groups)
        load_model_checkpoint(again, tmp_path / name, groups)
        assert_same_bits(bits(again), whole)
        assert (tmp_path / name / "note").read_text() == "x"
    assert not list(tmp_path.glob("*.tmp-*"))


def test_a_bf16_checkpoint_fills_an_fp32_model_with_the_same_values(tmp_path, groups, tiny_architecture):
    model = build_model(tiny_architecture, groups, ModelOptions(dtype=torch.bfloat16))
    save_model_checkpoint(model, tiny_architecture, tmp_path / "start", groups)
    wide = build_model(tiny_architecture, groups)
    load_model_checkpoint(wide, tmp_path / "start", groups)
    assert_same_bits(bits(wide), {name: value.float() for name, value in bits(model).items()})


def test_the_same_weights_give_the_same_bytes(saved, tmp_path, groups, even_architecture):
    model, folder = saved
    save_model_checkpoint(model, even_architecture, tmp_path / "again", groups)
    for file in reproducible_files(folder):
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name


def test_every_key_has_the_prefix_that_leaves_room_for_an_optimizer(groups, tiny_model):
    state = model_state(tiny_model, groups)
    assert {value.key.split(".")[0] for value in state.values()} == {"model"}


def test_saving_again_replaces_the_folder_and_clears_a_killed_writers_leavings(saved, groups, even_architecture):
    model, folder = saved
    leavings = folder.with_name("start.tmp-checkpoint")
    leavings.mkdir()
    (leavings / "__9_9.distcp").write_bytes(b"torn")
    (folder / "old").write_text("of the older checkpoint")
    with torch.no_grad():
        model.decoder.final_layernorm.weight.fill_(3.0)
    save_model_checkpoint(model, even_architecture, folder, groups)
    assert not leavings.exists()
    assert not (folder / "old").exists()
    assert not (folder / "__9_9.distcp").exists()
    again = build_model(even_architecture, groups)
    load_model_checkpoint(again, folder, groups)
    assert_same_bits(bits(again), bits(model))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"hidden_size": 64}, "the model wants"),
        ({"ffn_hidden_size": 64}, "the model wants"),
        ({"num_layers": 3}, "the model wants"),
        ({"tie_word_embeddings": True}, "output_layer.weight is the checkpoint's, not the model's"),
    ],
)
def test_a_model_of_another_shape_is_refused(saved, groups, even_architecture, changes, complaint):
    model = build_model(even_architecture.model_copy(update=changes), groups)
    with pytest.raises(InputError, match=complaint):
        load_model_checkpoint(model, saved[1], groups)


@pytest.mark.parametrize("damage", ["truncated tensors", "no index", "index of noise"])
def test_a_damaged_checkpoint_is_one_line(saved, groups, damage):
    model, folder = saved
    if damage == "truncated tensors":
        tensors = sorted(folder.glob("*.distcp"))[0]
        tensors.write_bytes(tensors.read_bytes()[:3000])
    elif damage == "no index":
        (folder / ".metadata").unlink()
    else:
        (folder / ".metadata").write_bytes(b"noise")
    with pytest.raises(InputError, match=r"damaged or foreign checkpoint \(.+\); write it again"):
        load_model_checkpoint(model, folder, groups)


def test_a_folder_that_is_no_checkpoint_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no Megatron checkpoint here"):
        read_architecture_of(tmp_path)
    with pytest.raises(InputError, match="no checkpoint here"):
        newest_checkpoint(tmp_path)


def test_the_newest_checkpoint_of_a_run_has_the_highest_step_and_is_whole(tmp_path):
    for step in (5, 20, 100):
        (tmp_path / "checkpoints" / f"step-{step}").mkdir(parents=True)
        (tmp_path / "checkpoints" / f"step-{step}" / "architecture.json").write_text("{}")
    (tmp_path / "checkpoints" / "step-200.tmp-checkpoint").mkdir()
    (tmp_path / "checkpoints" / "step-300").mkdir()
    newest = newest_checkpoint(tmp_path)
    assert newest.name == "step-100"
    assert newest_checkpoint(newest) == newest
