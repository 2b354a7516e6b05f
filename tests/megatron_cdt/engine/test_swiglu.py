"""The MLP that keeps less, against megatron-core's own."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_cdt.engine.swiglu import SwiGlu, SwiGluActivation

pytestmark = pytest.mark.usefixtures("on_this_device")


def eager(gate_up):
    gate, up = gate_up.chunk(2, dim=-1)
    return F.silu(gate) * up


@settings(deadline=None, max_examples=30)
@given(
    tokens=st.integers(1, 9),
    width=st.integers(1, 33),
    scale=st.sampled_from([1e-3, 1.0, 30.0]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_output_and_gradient_are_the_eager_ones_bit_for_bit(tokens, width, scale, dtype):
    generator = torch.Generator().manual_seed(tokens * 100 + width)
    values = (torch.randn(tokens, 1, 2 * width, generator=generator) * scale).to(dtype)
    grad = torch.randn(tokens, 1, width, generator=generator).to(dtype)
    ours, theirs = values.clone().requires_grad_(), values.clone().requires_grad_()
    output, expected = SwiGlu.apply(ours), eager(theirs)
    output.backward(grad)
    expected.backward(grad)
    assert torch.equal(output, expected)
    assert torch.equal(ours.grad, theirs.grad)


def test_only_the_input_is_kept_for_the_backward_pass():
    kept = []
    values = torch.randn(5, 1, 8, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        SwiGlu.apply(values)
    assert [tensor.data_ptr() for tensor in kept] == [values.data_ptr()]


def test_the_models_mlp_uses_it_and_equals_megatron_cores(tiny_model):
    mlp = tiny_model.decoder.layers[0].mlp
    assert isinstance(mlp.activation_func, SwiGluActivation)
    hidden = torch.randn(6, 1, 32)
    ours = mlp(hidden)[0]
    mlp.config = dataclasses.replace(mlp.config, use_te_activation_func=False)
    del mlp.activation_func
    mlp.activation_func = F.silu
    assert torch.equal(ours, mlp(hidden)[0])
