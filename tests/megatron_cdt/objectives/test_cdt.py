"""Context Denoising Training: the equations one by one, and the invariants of the whole step."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from megatron_cdt.engine.parallel import Layout, start_processes
from megatron_cdt.objectives.cdt import CdtSettings
from megatron_cdt.objectives.cdt import objective as cdt
from megatron_cdt.objectives.cdt.objective import ContextDenoising
from megatron_cdt.objectives.ce import CrossEntropy
from megatron_cdt.objectives.row import WholeRow, cut_row, labelled_row

pytestmark = pytest.mark.usefixtures("on_this_device")
RATES = {"lr_nominal": 1e-2, "lr_scheduled": 5e-3}


@pytest.fixture
def row(groups):
    """24 tokens, half of them labelled."""
    generator = np.random.default_rng(3)
    ids = generator.integers(0, 97, 24).tolist()
    return labelled_row(ids, [token if place >= 12 else -100 for place, token in enumerate(ids)], groups)


def gradients(model):
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}


def step(objective, model, row):
    """Loss, telemetry and parameter gradients of one row."""
    model.zero_grad(set_to_none=True)
    loss, telemetry = objective.at_rates(**RATES)(model, row)
    loss.backward()
    return loss.detach(), telemetry, gradients(model)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(0, 1e6, width=32), st.booleans()), min_size=1, max_size=50))
def test_the_threshold_is_the_mean_norm_of_real_tokens_and_padding_never_counts(tokens):
    norms, real = torch.tensor([norm for norm, _ in tokens]), torch.tensor([real for _, real in tokens])
    if not real.any():
        return
    threshold = cdt.noise_threshold(norms, real, groups=[start_processes(Layout()).cp])
    assert threshold.item() == pytest.approx(np.mean([norm for norm, is_real in tokens if is_real]))
    mask = cdt.noise_mask(norms, real, threshold)
    assert not mask[~real].any()
    assert torch.equal(mask[real], norms[real].double() < threshold)


def test_a_token_exactly_at_the_threshold_is_critical(groups):
    norms, real = torch.full((4,), 0.25), torch.ones(4, dtype=torch.bool)
    assert not cdt.noise_mask(norms, real, cdt.noise_threshold(norms, real, groups=[groups.cp])).any()


def test_only_noise_tokens_move_and_by_gradient_times_lr_times_beta():
    embeddings, grad = torch.randn(5, 1, 3), torch.randn(5, 1, 3)
    noise = torch.tensor([True, False, True, False, False])
    denoised = cdt.denoise_embeddings(embeddings, cdt.denoising_shift(grad, noise, lr=1e-2, beta=5.0))
    assert torch.equal(denoised[~noise], embeddings[~noise])
    torch.testing.assert_close(denoised[noise], embeddings[noise] - grad[noise] * 5e-2)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_with_beta_zero_the_step_equals_cross_entropy_bit_for_bit(tiny_model, row, groups, reduction):
    plain_loss, _, plain = step(CrossEntropy(groups), tiny_model, row)
    loss, telemetry, denoised = step(
        ContextDenoising(groups, CdtSettings(beta=0, reduction=reduction)), tiny_model, row
    )
    assert torch.equal(loss, plain_loss)
    assert plain.keys() == denoised.keys()
    assert all(torch.equal(plain[name], denoised[name]) for name in plain)
    assert telemetry["relative_shift"] == telemetry["changed_share"] == 0.0


def test_with_beta_above_zero_the_loss_on_denoised_embeddings_is_lower(tiny_model, row, groups):
    loss, telemetry, _ = step(ContextDenoising(groups, CdtSettings(beta=1.0)), tiny_model, row)
    assert loss.item() / row.num_labels < telemetry["detection_loss"]
    assert 0 < telemetry["noise_share"] < 1
    assert telemetry["changed_share"] > 0


def test_the_mask_does_not_depend_on_a_constant_scaling_of_the_loss(tiny_model, row, groups):
    embeddings = tiny_model.embed(row.input_ids_T)
    mean, total = (
        cdt.detect(tiny_model, row, embeddings, reduction=reduction, groups=groups) for reduction in ("mean", "sum")
    )
    assert torch.equal(mean.noise_T, total.noise_T)
    torch.testing.assert_close(total.norms_T, mean.norms_T * row.num_labels)
    assert mean.loss == total.loss


def test_detection_leaves_every_parameter_gradient_untouched(tiny_model, row, groups):
    for parameter in tiny_model.parameters():
        parameter.grad = torch.randn_like(parameter)
    before = gradients(tiny_model)
    cdt.detect(tiny_model, row, tiny_model.embed(row.input_ids_T), reduction="mean", groups=groups)
    assert all(torch.equal(before[name], grad) for name, grad in gradients(tiny_model).items())
    assert all(parameter.requires_grad for parameter in tiny_model.parameters())


def test_an_embedding_that_was_frozen_before_stays_frozen(tiny_model, row, groups):
    tiny_model.embedding.word_embeddings.weight.requires_grad_(False)
    _, _, grads = step(ContextDenoising(groups, CdtSettings()), tiny_model, row)
    assert not tiny_model.embedding.word_embeddings.weight.requires_grad
    assert "embedding.word_embeddings.weight" not in grads


def test_the_embedding_matrix_learns_through_the_denoised_pass_or_not_at_all(tiny_model, row, groups):
    name = "embedding.word_embeddings.weight"
    _, _, through = step(ContextDenoising(groups, CdtSettings(embedding_gradient="through")), tiny_model, row)
    _, _, detached = step(ContextDenoising(groups, CdtSettings(embedding_gradient="detached")), tiny_model, row)
    assert through[name].abs().sum() > 0
    assert name not in detached
    others = through.keys() - {name}
    assert all(torch.equal(through[other], detached[other]) for other in others)


def test_the_scheduled_rate_moves_embeddings_by_its_own_share(tiny_model, row, groups):
    nominal = step(ContextDenoising(groups, CdtSettings(lr_source="nominal")), tiny_model, row)[1]
    scheduled = step(ContextDenoising(groups, CdtSettings(lr_source="scheduled")), tiny_model, row)[1]
    ratio = RATES["lr_scheduled"] / RATES["lr_nominal"]
    assert scheduled["relative_shift"] == pytest.approx(nominal["relative_shift"] * ratio, rel=1e-4)


def test_padding_changes_no_number_of_a_row(tiny_model, groups):
    generator = np.random.default_rng(5)
    ids, padding = generator.integers(0, 97, 10), generator.integers(0, 97, 6)
    labels = np.append(ids[1:], -100)
    rows = [
        cut_row(WholeRow(ids, labels, np.ones(10, bool), [10]), groups),
        cut_row(
            WholeRow(np.append(ids, padding), np.append(labels, np.full(6, -100)), np.arange(16) < 10, [16]), groups
        ),
    ]
    (loss, telemetry, grads), (padded_loss, padded_telemetry, padded_grads) = (
        step(ContextDenoising(groups, CdtSettings()), tiny_model, row) for row in rows
    )
    assert padded_telemetry == pytest.approx(telemetry, rel=1e-5)
    torch.testing.assert_close(padded_loss, loss)
    for name, grad in grads.items():
        # Sums of ten terms and of sixteen round in their own ways, by the tensor's scale.
        torch.testing.assert_close(padded_grads[name], grad, rtol=1e-4, atol=1e-6 * grad.abs().max().item())
