"""The counting itself, on cases whose operations one can write down."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from benches.train.cases import RowShape, build_bench_model, build_row, denoising_step, plain_step
from benches.train.flops import ForwardFlops, count_flops, least_flops, least_ratio
from megatron_cdt.engine.model import ModelOptions
from megatron_cdt.objectives.cdt.objective import frozen
from megatron_cdt.objectives.cross_entropy import HeadCrossEntropy
from megatron_cdt.training.measured_speed import LLAMA_3_8B

pytestmark = pytest.mark.usefixtures("on_this_device")


@given(queries=st.integers(1, 20), keys=st.integers(1, 20), groups=st.integers(1, 3), size=st.sampled_from([4, 8]))
def test_attention_is_2_products_forward_and_5_backward_also_with_fewer_key_heads(queries, keys, groups, size):
    heads = 2 * groups
    query, key, value = (
        torch.randn(1, count, tokens, size, requires_grad=True)
        for count, tokens in ((heads, queries), (groups, keys), (groups, keys))
    )
    product = 2 * heads * queries * keys * size
    forward = count_flops(lambda: F.scaled_dot_product_attention(query, key, value, enable_gqa=True))
    both = count_flops(lambda: F.scaled_dot_product_attention(query, key, value, enable_gqa=True).sum().backward())
    assert (forward, both) == (2 * product, 7 * product)


def test_a_product_added_in_place_counts_as_a_product():
    total = torch.zeros(3, 5)
    assert count_flops(lambda: total.addmm_(torch.ones(3, 7), torch.ones(7, 5))) == 2 * 3 * 7 * 5


@pytest.mark.parametrize(("trained", "products"), [(True, 3), (False, 2)])
def test_the_head_is_counted_forward_and_backward_at_labelled_positions_only(groups, trained, products):
    hidden = torch.randn(10, 4, requires_grad=True)
    weight = torch.randn(9, 4, requires_grad=trained)
    labels = torch.tensor([-100, 3, -100, 8, 0, -100, -100, -100, -100, 1])
    counted = count_flops(lambda: HeadCrossEntropy.apply(hidden, weight, labels, groups.tp).backward())
    assert counted == products * 2 * 4 * 9 * 4


@pytest.mark.parametrize(("freeze", "products"), [(False, 3), (True, 2)])
def test_megatrons_linears_are_counted_trained_and_frozen(tiny_model, freeze, products):
    linear = tiny_model.decoder.layers[0].mlp.linear_fc1
    hidden = torch.randn(6, 1, 32, requires_grad=True)

    def forward_and_backward():
        linear(hidden)[0].sum().backward()

    if freeze:
        with frozen(tiny_model):
            counted = count_flops(forward_and_backward)
    else:
        counted = count_flops(forward_and_backward)
    assert counted == products * 2 * 6 * 32 * 96


@pytest.mark.parametrize("share", [1.0, 0.1])
@pytest.mark.parametrize("segments", [(48,), (16, 8, 24)])
def test_both_steps_do_no_more_than_the_least(groups, tiny_architecture, segments, share):
    shape = RowShape("", segments, share)
    model = build_bench_model(tiny_architecture, groups)
    row = build_row(shape, tiny_architecture.vocab_size, groups)
    forward = ForwardFlops.of(tiny_architecture, shape, row.num_labels, causal_half=False)
    for step, denoising in ((plain_step(groups), False), (denoising_step(groups), True)):
        assert count_flops(lambda step=step: step(model, row)) == least_flops(forward, denoising=denoising)


@pytest.mark.parametrize("recompute", ["selective", "full"])
def test_recomputation_costs_what_the_formula_says(groups, tiny_architecture, recompute):
    shape = RowShape("", (32,))
    model = build_bench_model(tiny_architecture, groups, ModelOptions(recompute=recompute))
    row = build_row(shape, tiny_architecture.vocab_size, groups)
    forward = ForwardFlops.of(tiny_architecture, shape, row.num_labels, causal_half=False)
    for step, denoising in ((plain_step(groups), False), (denoising_step(groups), True)):
        expected = least_flops(forward, denoising=denoising, recompute=recompute)
        assert count_flops(lambda step=step: step(model, row)) == expected


def test_short_rows_tend_to_five_thirds_and_long_ones_to_twice():
    short, long = (least_ratio(LLAMA_3_8B, RowShape("", (tokens,)), tokens, causal_half=True) for tokens in (64, 10**8))
    assert short == pytest.approx(5 / 3, rel=1e-3)
    assert long == pytest.approx(2, rel=1e-3)


def test_llama_3_8b_has_its_published_number_of_weights():
    forward = ForwardFlops.of(LLAMA_3_8B, RowShape("", (1,)), 1, causal_half=True)
    # 8.03e9 parameters, of which the embedding (128,256 x 4,096) multiplies nothing.
    assert (forward.linear + forward.head) / 2 == pytest.approx(8.03e9 - 128256 * 4096, rel=1e-3)
