"""Controls of denoising: each changes what it says, and nothing else."""

import numpy as np
import pytest
import torch

from megatron_cdt.objectives.cdt import CdtSettings, ControlSettings
from megatron_cdt.objectives.cdt import objective as cdt
from megatron_cdt.objectives.cdt.controls import moved_tokens
from megatron_cdt.objectives.cdt.objective import ContextDenoising
from megatron_cdt.objectives.row import WholeRow, cut_row

pytestmark = pytest.mark.usefixtures("on_this_device")
LR, BETA = 1e-2, 3.0


@pytest.fixture
def row(groups):
    """Twenty tokens and four of padding."""
    ids = np.random.default_rng(3).integers(0, 97, 24)
    real = np.arange(24) < 20
    return cut_row(WholeRow(ids, np.where(np.arange(24) < 19, np.append(ids[1:], 0), -100), real, [24]), groups)


@pytest.fixture
def detection(tiny_model, row, groups):
    return cdt.detect(tiny_model, row, tiny_model.embed(row.input_ids_T), reduction="mean", groups=groups)


@pytest.fixture
def shift(tiny_model, row, groups, detection):
    """shift(control=value, ...): what that control subtracts."""

    def of(**control):
        settings = CdtSettings(beta=BETA, control=ControlSettings(**control))
        objective = ContextDenoising(groups, settings).at_rates(LR, LR)
        return objective.shift_of(tiny_model, row, detection)

    return of


def test_without_a_control_the_shift_is_eq_3(shift, detection):
    assert torch.equal(shift(), detection.grad_TBH * detection.noise_T[:, None, None] * (LR * BETA))


def test_the_inverted_mask_moves_exactly_the_other_real_tokens(shift, detection, row):
    everything = detection.grad_TBH * (LR * BETA) * row.real_T[:, None, None]
    torch.testing.assert_close(shift(moved="critical") + shift(), everything)
    torch.testing.assert_close(shift(moved="all"), everything)
    assert not shift(moved="critical")[detection.noise_T].any()


def test_a_random_mask_has_as_many_real_tokens_as_there_is_noise_whatever_the_seed(detection, row, groups):
    places = row.indices_T.numpy()
    masks = [
        moved_tokens(
            detection.noise_T,
            row.real_T,
            places,
            row.whole,
            ControlSettings(moved="random", seed=seed),
            groups=[groups.cp],
        )
        for seed in range(5)
    ]
    assert {int(mask.sum()) for mask in masks} == {int(detection.noise_T.sum())}
    assert not any(mask[~row.real_T].any() for mask in masks)
    assert len({tuple(mask.tolist()) for mask in masks}) > 1


def test_the_adversarial_sign_is_the_negative_shift(shift):
    assert torch.equal(shift(direction="ascent"), -shift())


def test_a_random_direction_is_as_long_as_each_token_s_gradient_and_points_elsewhere(shift, detection):
    ours, theirs = shift(direction="random")[:, 0], shift()[:, 0]
    torch.testing.assert_close(ours.norm(dim=-1), theirs.norm(dim=-1))
    cosines = torch.nn.functional.cosine_similarity(ours, theirs, dim=-1)[detection.noise_T]
    assert cosines.abs().mean() < 0.6
    assert not torch.equal(shift(direction="random"), shift(direction="random", seed=1))


@pytest.mark.parametrize("moved", ["critical", "random", "all"])
def test_a_matched_shift_has_the_length_of_the_noise_tokens_and_keeps_its_direction(shift, moved):
    matched, own = shift(moved=moved, match_norm=True), shift(moved=moved)
    assert matched.norm().item() == pytest.approx(shift().norm().item(), rel=1e-5)
    torch.testing.assert_close(matched / matched.norm(), own / own.norm())


def test_padding_between_documents_changes_no_draw(tiny_model, groups):
    """Two documents as one row, with and without padding after the first."""
    ids = np.random.default_rng(4).integers(0, 97, 16)
    rows = []
    for padding in (0, 6):
        padded = np.concatenate([ids[:10], np.zeros(padding, int), ids[10:]])
        real = np.concatenate([np.ones(10, bool), np.zeros(padding, bool), np.ones(6, bool)])
        last = np.zeros(16 + padding, bool)
        last[[9, 15 + padding]] = True
        labels = np.where(real & ~last, np.append(padded[1:], 0), -100)
        rows.append(cut_row(WholeRow(padded, labels, real, [10 + padding, 6]), groups))
    control = ControlSettings(moved="random", direction="random", match_norm=True)
    objective = ContextDenoising(groups, CdtSettings(beta=BETA, control=control)).at_rates(LR, LR)
    shifts = []
    for row in rows:
        found = cdt.detect(tiny_model, row, tiny_model.embed(row.input_ids_T), reduction="sum", groups=groups)
        shifts.append(objective.shift_of(tiny_model, row, found)[row.real_T])
    torch.testing.assert_close(*shifts, rtol=1e-4, atol=1e-6)


def test_an_unknown_control_is_refused():
    with pytest.raises(ValueError, match="moved"):
        CdtSettings(control={"moved": "facts"})
