"""The layout of Megatron parameters: views cover them once, whole and shard by shard."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from megatron_cdt.engine.model import build_model
from megatron_cdt.huggingface.names import parameter_of, query_key_value, tensor_shapes

shapes = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 6))
tails = st.sampled_from([(), (3,)])  # of a bias, of a matrix


def filled(tensors, queries, head_dim):
    """The parameter whose views hold these query, key and value tensors."""
    parameter = torch.full((sum(len(tensor) for tensor in tensors), *tensors[0].shape[1:]), -1.0)
    for view, tensor in zip(query_key_value(parameter, head_dim, queries), tensors, strict=True):
        view.copy_(tensor.view(view.shape))
    return parameter


@given(shapes, tails, st.integers(1, 3))
def test_views_hold_every_element_once_and_ranks_hold_equal_rows_of_the_whole(shape, tail, tensor_parallel):
    groups, queries, head_dim = shape
    rows = [part * tensor_parallel * head_dim for part in (groups * queries, groups, groups)]
    numbers = torch.arange(float(sum(rows) * torch.Size(tail).numel())).reshape(-1, *tail)
    tensors = list(numbers.split(rows))
    whole = filled(tensors, queries, head_dim)
    assert sorted(whole.flatten().tolist()) == numbers.flatten().tolist()
    for view, tensor in zip(query_key_value(whole, head_dim, queries), tensors, strict=True):
        assert torch.equal(view.flatten(0, 1), tensor)
    # Megatron's rule: a rank's shard is its equal part of the whole parameter's rows.
    shards = [
        filled([tensor.chunk(tensor_parallel)[rank] for tensor in tensors], queries, head_dim)
        for rank in range(tensor_parallel)
    ]
    assert torch.equal(torch.cat(shards), whole)


def test_qkv_lies_group_by_group():
    query, key, value = (torch.tensor(numbers) for numbers in ([0.0, 1, 2, 3], [4.0, 5], [6.0, 7]))
    assert filled([query, key, value], queries=2, head_dim=1).tolist() == [0, 1, 4, 6, 2, 3, 5, 7]


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_every_hugging_face_tensor_belongs_to_one_megatron_parameter(groups, tiny_architecture, family, tied):
    architecture = tiny_architecture.model_copy(update={"family": family, "tie_word_embeddings": tied})
    model = build_model(architecture, groups)
    named = [tensor for name, _ in model.named_parameters() for tensor in parameter_of(name).names]
    assert sorted(named) == sorted(tensor_shapes(architecture))
