"""Rotary frequencies against transformers' own, for drawn shapes, bases and stretches."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from megatron_cdt.architecture import Architecture, RopeScaling
from megatron_cdt.engine.rope import Rotate, attention_factor, rotary_inverse_frequencies, rotation_of_row
from megatron_cdt.huggingface.rope import scaling_values


def architecture(head_dim: int, theta: float, scaling: RopeScaling | None) -> Architecture:
    return Architecture(
        vocab_size=8,
        hidden_size=8,
        num_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=head_dim,
        ffn_hidden_size=8,
        max_position_embeddings=131072,
        rope_theta=theta,
        rope_scaling=scaling,
    )


def rope_of_transformers(head_dim: int, rope: dict) -> tuple[torch.Tensor, float]:
    """Frequencies and attention factor."""
    config = LlamaConfig(head_dim=head_dim, max_position_embeddings=131072, rope_parameters=rope)
    if rope["rope_type"] == "default":
        return LlamaRotaryEmbedding(config).inv_freq, 1.0
    return ROPE_INIT_FUNCTIONS[rope["rope_type"]](config, device="cpu")


head_dims = st.integers(1, 128).map(lambda half: 2 * half)
thetas = st.floats(100.0, 1e7)
scalings = st.one_of(
    st.none(),
    st.builds(RopeScaling, rope_type=st.just("linear"), factor=st.floats(1.0, 64.0)),
    st.builds(
        RopeScaling,
        rope_type=st.just("llama3"),
        factor=st.floats(1.0, 64.0),
        low_freq_factor=st.floats(0.5, 2.0),
        high_freq_factor=st.floats(2.5, 8.0),
        original_max_position_embeddings=st.integers(64, 16384),
    ),
    st.builds(
        RopeScaling,
        rope_type=st.just("yarn"),
        factor=st.floats(0.5, 64.0),
        beta_fast=st.floats(4.0, 64.0),
        beta_slow=st.floats(0.25, 3.0),
        attention_factor=st.none() | st.floats(0.1, 3.0),
        original_max_position_embeddings=st.integers(64, 65536),
    ),
)


@given(head_dims, thetas, scalings)
def test_frequencies_and_attention_factor_are_those_of_transformers(head_dim, theta, scaling):
    rope = scaling_values(scaling) or {"rope_type": "default"}
    frequencies, factor = rope_of_transformers(head_dim, rope | {"rope_theta": theta})
    ours = architecture(head_dim, theta, scaling)
    torch.testing.assert_close(rotary_inverse_frequencies(ours), frequencies, rtol=1e-6, atol=0)
    assert attention_factor(ours) == pytest.approx(factor, rel=1e-12)


def test_yarn_for_llama_3_has_the_published_ramp_and_attention_factor():
    scaling = RopeScaling(rope_type="yarn", factor=8.0, original_max_position_embeddings=8192)
    ours = architecture(128, 5e5, scaling)
    kept = rotary_inverse_frequencies(ours) / rotary_inverse_frequencies(architecture(128, 5e5, None))
    assert torch.equal(kept[:19], torch.ones(19))
    assert (kept[19:35] < 1).all()
    assert (kept[19:35] > 1 / 8).all()
    assert torch.equal(kept[35:], torch.full((29,), 1 / 8))
    assert attention_factor(ours) == pytest.approx(1.2079, abs=5e-5)


@pytest.mark.parametrize("factor", [2.0, 8.0])
def test_llama3_keeps_short_waves_and_divides_long_ones(factor):
    scaling = RopeScaling(rope_type="llama3", factor=factor, original_max_position_embeddings=8192)
    plain = rotary_inverse_frequencies(architecture(128, 5e5, None))
    stretched = rotary_inverse_frequencies(architecture(128, 5e5, scaling))
    wavelength = 2 * math.pi / plain
    assert torch.equal(stretched[wavelength < 8192 / 4], plain[wavelength < 8192 / 4])
    assert torch.equal(stretched[wavelength > 8192], plain[wavelength > 8192] / factor)


def test_turned_heads_and_their_gradient_are_those_of_complex_numbers():
    generator = torch.Generator().manual_seed(5)
    lengths, frequencies = [8, 4], torch.rand(3, generator=generator)
    heads, grad = torch.randn(2, 12, 2, 6, generator=generator).unbind()
    ours, exact = heads.clone().requires_grad_(), heads.double().requires_grad_()
    output = Rotate.apply(ours, *rotation_of_row(lengths, frequencies, 1, 0, torch.float32))
    positions = torch.cat([torch.arange(length) for length in lengths]).double()
    turns = torch.polar(torch.ones(12, 1, 3).double(), (positions[:, None] * frequencies.double()).unsqueeze(1))
    pairs = torch.complex(*exact.chunk(2, dim=-1)) * turns
    expected = torch.cat([pairs.real, pairs.imag], dim=-1)
    output.backward(grad)
    expected.backward(grad.double())
    torch.testing.assert_close(output.double(), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.grad.double(), exact.grad, rtol=1e-5, atol=1e-5)
