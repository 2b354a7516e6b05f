"""RMSNorm against its formula in fp64."""

import pytest
import torch

from megatron_cdt.engine.norm import NormRows


@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 1e-2)])
def test_output_and_gradients_are_those_of_the_formula(dtype, tolerance, learns):
    generator = torch.Generator().manual_seed(3)
    hidden, grad = (torch.randn(7, 2, 48, generator=generator).to(dtype) for _ in range(2))
    weight = torch.rand(48, generator=generator).to(dtype)
    ours = hidden.clone().requires_grad_(), weight.clone().requires_grad_(learns)
    exact = hidden.double().requires_grad_(), weight.double().requires_grad_(learns)
    output = NormRows.apply(*ours, 1e-5)
    expected = exact[0] / (exact[0].square().mean(-1, keepdim=True) + 1e-5).sqrt() * exact[1]
    output.backward(grad)
    expected.backward(grad.double())
    pairs = [
        (output, expected),
        *((given.grad, right.grad) for given, right in zip(ours, exact, strict=True) if learns),
    ]
    for given, right in [*pairs, (ours[0].grad, exact[0].grad)]:
        assert given.dtype is dtype
        torch.testing.assert_close(given.double(), right, rtol=tolerance, atol=tolerance * right.abs().max().item())


def test_a_frozen_weight_keeps_the_input_and_a_number_a_token():
    hidden, weight = torch.randn(5, 1, 8, requires_grad=True), torch.ones(8)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        NormRows.apply(hidden, weight, 1e-5)
    assert sorted(tensor.numel() for tensor in kept) == [5, 8, 40]
