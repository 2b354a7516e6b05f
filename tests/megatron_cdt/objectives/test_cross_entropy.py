"""The chunked head against float64 autograd on whole logits."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_cdt.engine.parallel import Layout, start_processes
from megatron_cdt.objectives import cross_entropy
from megatron_cdt.objectives.cross_entropy import HeadCrossEntropy
from megatron_cdt.objectives.row import NO_LABEL


def oracle(hidden, weight, labels):
    """Summed cross-entropy and its gradients by autograd in float64, all logits at once."""
    hidden, weight = (tensor.detach().double().requires_grad_() for tensor in (hidden, weight))
    loss = F.cross_entropy(hidden @ weight.T, labels, ignore_index=NO_LABEL, reduction="sum")
    return loss.detach(), *torch.autograd.grad(loss, [hidden, weight])


@settings(deadline=None, max_examples=30)
@given(tokens=st.integers(1, 40), vocabulary=st.integers(2, 60), share=st.floats(0, 1), chunk=st.integers(1, 600))
def test_loss_and_both_gradients_equal_autograd_for_every_chunk_size(tokens, vocabulary, share, chunk):
    group = start_processes(Layout()).tp
    generator = torch.Generator().manual_seed(tokens * 61 + vocabulary)
    hidden = torch.randn(tokens, 6, generator=generator, requires_grad=True)
    weight = torch.randn(vocabulary, 6, generator=generator, requires_grad=True)
    labels = torch.randint(0, vocabulary, (tokens,), generator=generator)
    labels[torch.rand(tokens, generator=generator) > share] = NO_LABEL
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross_entropy, "LOGITS_PER_CHUNK", chunk)
        loss = HeadCrossEntropy.apply(hidden, weight, labels, group)
        (3 * loss).backward()
    expected_loss, expected_hidden, expected_weight = oracle(hidden, weight, labels)
    torch.testing.assert_close(loss, expected_loss, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(hidden.grad.double(), 3 * expected_hidden, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(weight.grad.double(), 3 * expected_weight, rtol=1e-5, atol=1e-5)


def test_huge_logits_do_not_overflow(groups):
    hidden, weight = torch.full((3, 2), 1e4), torch.eye(2) * 1e4
    loss = HeadCrossEntropy.apply(hidden, weight, torch.tensor([0, 1, 0]), groups.tp)
    assert loss.item() == pytest.approx(3 * torch.tensor(2.0).log().item())


def test_no_more_logits_than_one_chunk_ever_exist(groups, monkeypatch):
    seen = []
    original = cross_entropy.losses_and_gradient

    def recording(hidden_CH, weight_VH, labels_C, group):
        seen.append(hidden_CH.shape[0] * weight_VH.shape[0])
        return original(hidden_CH, weight_VH, labels_C, group)

    monkeypatch.setattr(cross_entropy, "losses_and_gradient", recording)
    monkeypatch.setattr(cross_entropy, "LOGITS_PER_CHUNK", 1000)
    HeadCrossEntropy.apply(torch.randn(100, 4), torch.randn(90, 4), torch.zeros(100, dtype=torch.int64), groups.tp)
    assert max(seen) <= 1000
    assert sum(seen) == 100 * 90


def test_the_head_runs_on_labelled_positions_only(groups, monkeypatch):
    seen = []
    original = cross_entropy.losses_and_gradient
    monkeypatch.setattr(
        cross_entropy, "losses_and_gradient", lambda *given: seen.append(given[0].shape[0]) or original(*given)
    )
    labels = torch.full((50,), NO_LABEL)
    labels[[3, 17]] = 5
    HeadCrossEntropy.apply(torch.randn(50, 4), torch.randn(9, 4), labels, groups.tp)
    assert seen == [2]
