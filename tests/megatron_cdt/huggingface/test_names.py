"""The layout of Megatron parameters: joining and splitting are inverses, whole and shard by shard."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from megatron_cdt.huggingface.names import join_qkv, parameter_of, split_qkv, tensor_shapes


def parts(groups, queries, head_dim, hidden=3):
    rows = [groups * queries * head_dim, groups * head_dim, groups * head_dim]
    numbers = torch.arange(sum(rows) * hidden, dtype=torch.float32).reshape(-1, hidden)
    return list(numbers.split(rows))


shapes = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 6))


@given(shapes, st.integers(1, 3))
def test_qkv_splits_back_into_what_was_joined_whole_and_on_every_rank(shape, tensor_parallel):
    groups, queries, head_dim = shape
    tensors = parts(groups * tensor_parallel, queries, head_dim)
    whole = join_qkv(tensors, head_dim)
    shards = []
    for rank in range(tensor_parallel):
        mine = [tensor.chunk(tensor_parallel)[rank] for tensor in tensors]
        shards.append(join_qkv(mine, head_dim))
        for part, expected in zip(split_qkv(shards[-1], head_dim, queries), mine, strict=True):
            assert torch.equal(part, expected)
    # Megatron's rule: a rank's shard is its equal part of the whole parameter's rows.
    assert torch.equal(torch.cat(shards), whole)


def test_qkv_lies_group_by_group():
    query, key, value = parts(groups=2, queries=2, head_dim=1, hidden=1)
    joined = join_qkv([query, key, value], 1)
    assert joined.flatten().tolist() == [0, 1, 4, 6, 2, 3, 5, 7]


def test_every_hugging_face_tensor_belongs_to_one_megatron_parameter(tiny_model, tiny_architecture):
    named = [tensor for name, _ in tiny_model.named_parameters() for tensor in parameter_of(name).names]
    assert sorted(named) == sorted(tensor_shapes(tiny_architecture))


def test_transformer_engines_fused_norms_map_to_the_same_tensors():
    for fused, apart in [
        ("self_attention.linear_qkv.layer_norm_weight", "input_layernorm.weight"),
        ("mlp.linear_fc1.layer_norm_weight", "pre_mlp_layernorm.weight"),
    ]:
        assert parameter_of(f"decoder.layers.3.{fused}") == parameter_of(f"decoder.layers.3.{apart}")
