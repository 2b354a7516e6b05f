"""LongCE against a naive loop over every token with transformers, and its limits."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_cdt.objectives.ce import CrossEntropy
from megatron_cdt.objectives.longce import LongCeSettings
from megatron_cdt.objectives.longce.objective import LongCe, short_windows, token_weights
from megatron_cdt.objectives.row import WholeRow, cut_row

pytestmark = pytest.mark.usefixtures("on_this_device")
SEGMENTS, REAL = [48, 20, 28], [45, 20, 26]


@pytest.fixture
def row(groups):
    """Three padded documents; every second token is supervised."""
    ids = np.random.default_rng(4).integers(0, 96, sum(SEGMENTS))
    real = np.concatenate([np.arange(n) < t for n, t in zip(SEGMENTS, REAL, strict=True)])
    last = np.concatenate([np.arange(n) >= t - 1 for n, t in zip(SEGMENTS, REAL, strict=True)])
    labels = np.where(real & ~last & (np.arange(len(ids)) % 2 == 1), np.append(ids[1:], 0), -100)
    return cut_row(WholeRow(ids, labels, real, SEGMENTS), groups)


def loss_of_last(theirs, ids) -> float:
    """-log p of the last token given the ones before it."""
    return -theirs(torch.tensor([ids])).logits[0, -2].log_softmax(-1)[ids[-1]].item()


@torch.no_grad()
def naive_loss(theirs, row, context, stride, clip) -> float:
    """sum_t w_t l_long(t), token by token: each read once with all its past, once with its window's."""
    ids, labels, total, start = row.whole.input_ids_N.tolist(), row.whole.labels_N, 0.0, 0
    for length, tokens in zip(SEGMENTS, REAL, strict=True):
        document = ids[start : start + tokens]
        for token in range(1, tokens):
            if labels[start + token - 1] == -100:
                continue
            long = loss_of_last(theirs, document[: token + 1])
            weight = 1.0
            if token >= context:
                first = (token - context) // stride * stride
                weight = min(np.exp(loss_of_last(theirs, document[first : token + 1]) - long), clip)
            total += weight * long
        start += length
    return total


@pytest.mark.parametrize(("context", "stride", "clip"), [(8, 4, 5.0), (16, 7, 1.1), (40, 3, 5.0)])
def test_the_weighted_loss_is_that_of_a_naive_loop_over_tokens(llama, row, groups, context, stride, clip):
    theirs, ours = llama
    objective = LongCe(groups, LongCeSettings(context=context, stride=stride, clip=clip))
    loss, telemetry = objective(ours, row)
    assert loss.item() == pytest.approx(naive_loss(theirs, row, context, stride, clip), rel=1e-4)
    assert 0 < telemetry["mean_weight"] <= clip


def test_where_no_token_has_more_than_the_short_context_it_is_cross_entropy_bit_for_bit(llama, row, groups):
    results = []
    for objective in (LongCe(groups, LongCeSettings(context=48)), CrossEntropy(groups)):
        llama[1].zero_grad()
        loss, _ = objective(llama[1], row)
        loss.backward()
        results.append((loss.detach(), [parameter.grad.clone() for parameter in llama[1].parameters()]))
    assert torch.equal(results[0][0], results[1][0])
    assert all(torch.equal(ours, plain) for ours, plain in zip(results[0][1], results[1][1], strict=True))


def test_gradients_are_those_of_the_weighted_sum_with_constant_weights(llama, row, groups):
    """A finite step against the gradient changes the loss as the gradient with frozen weights says."""
    objective = LongCe(groups, LongCeSettings(context=8, stride=4))
    short = objective.short_context_losses(llama[1], row).cpu()
    objective(llama[1], row)[0].backward()
    ours = llama[1].head_weight().grad.cpu().clone()
    theirs = llama[0]
    total, start = 0.0, 0
    for length, tokens in zip(SEGMENTS, REAL, strict=True):
        ids = torch.from_numpy(row.whole.input_ids_N[start : start + tokens])
        labels = torch.from_numpy(row.whole.labels_N[start : start + tokens])
        logits = theirs(ids[None]).logits[0]
        losses = torch.nn.functional.cross_entropy(logits, labels, ignore_index=-100, reduction="none")
        weights = token_weights(short[start : start + tokens], losses.detach(), clip=5.0)
        total = total + (weights * losses).sum()
        start += length
    total.backward()
    torch.testing.assert_close(ours, theirs.get_output_embeddings().weight.grad, rtol=1e-3, atol=1e-4)


@settings(max_examples=60)
@given(tokens=st.integers(1, 200), context=st.integers(1, 50), stride=st.integers(1, 20), start=st.integers(0, 9))
def test_every_token_after_the_short_context_is_scored_once_with_k_to_k_plus_d_minus_1_tokens(
    tokens, context, stride, start
):
    scored = {}
    for window in short_windows(start, tokens, context, stride):
        assert start <= window.start < window.scored < window.end <= start + tokens
        for token in range(window.scored, window.end):
            assert context <= token - window.start < context + stride
            scored[token] = scored.get(token, 0) + 1
    assert scored == dict.fromkeys(range(start + context, start + tokens), 1)


def test_weights_are_clipped_above_and_not_below():
    short, long = torch.tensor([3.0, 9.0, 1.0, torch.nan]), torch.tensor([3.0, 1.0, 3.0, 2.0])
    assert token_weights(short, long, clip=5.0).tolist() == pytest.approx([1.0, 5.0, np.exp(-2), 1.0])
