"""LOGO against autograd on transformers with the loss written out; SFT refuses what it is not meant for."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from contracts.errors import InputError
from megatron_cdt.objectives.ce import CrossEntropy
from megatron_cdt.objectives.logo import LogoSettings
from megatron_cdt.objectives.logo.objective import Logo
from megatron_cdt.objectives.row import WholeRow, cut_row
from megatron_cdt.objectives.sft import SupervisedFineTuning

pytestmark = pytest.mark.usefixtures("on_this_device")
PROMPT, LENGTHS = 6, [16, 12, 20, 10, 14, 18]


def answer_row(groups, lengths=LENGTHS, answers_only=True):
    """Segments of a prompt and a labelled answer; two preferences of three answers each."""
    ids = np.random.default_rng(6).integers(0, 96, sum(lengths))
    place = np.concatenate([np.arange(length) for length in lengths])
    last = np.concatenate([np.arange(length) == length - 1 for length in lengths])
    labels = np.where((place >= PROMPT - 1) & ~last, np.append(ids[1:], 0), -100)
    return cut_row(WholeRow(ids, labels, np.ones(len(ids), bool), lengths, answers_only), groups)


def written_out(theirs, row, settings):
    """LOGO's loss from the paper's formula, by autograd on transformers, answer by answer."""
    log_probabilities, start = [], 0
    for length in LENGTHS:
        ids = torch.from_numpy(row.whole.input_ids_N[start : start + length])
        log_p = theirs(ids[None]).logits[0, PROMPT - 1 : -1].log_softmax(-1)
        log_probabilities.append(log_p.gather(1, ids[PROMPT:, None]).mean())
        start += length
    total = 0.0
    for chosen, first, second in (log_probabilities[:3], log_probabilities[3:]):
        advantage = chosen - 0.5 * (first + second) - settings.margin
        total = total - F.logsigmoid(settings.beta * advantage) - settings.sft_weight * chosen
    return total


@pytest.mark.parametrize("constants", [{}, {"beta": 0.5, "margin": 0.0, "sft_weight": 0.0}])
def test_logo_and_its_gradient_are_the_formula_written_out(llama, groups, constants):
    theirs, ours = llama
    row, settings = answer_row(groups), LogoSettings(**constants)
    loss, telemetry = Logo(groups, settings)(ours, row)
    loss.backward()
    expected = written_out(theirs, row, settings)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    torch.testing.assert_close(
        ours.head_weight().grad.cpu(), theirs.get_output_embeddings().weight.grad, rtol=1e-3, atol=1e-5
    )
    torch.testing.assert_close(
        ours.embedding.word_embeddings.weight.grad.cpu(),
        theirs.get_input_embeddings().weight.grad,
        rtol=1e-3,
        atol=1e-5,
    )
    assert 0 <= telemetry["preferred_share"] <= 1


def test_logo_counts_preferences_and_refuses_rows_that_do_not_come_in_threes(llama, groups):
    objective = Logo(groups, LogoSettings())
    assert objective.own_units(answer_row(groups)) == 2
    with pytest.raises(InputError, match="in threes"):
        objective(llama[1], answer_row(groups, lengths=LENGTHS[:4]))


def test_sft_is_cross_entropy_on_answers_and_refuses_a_pack_without_them(llama, groups):
    objective = SupervisedFineTuning(groups)
    loss, _ = objective(llama[1], answer_row(groups))
    assert torch.equal(loss, CrossEntropy(groups)(llama[1], answer_row(groups))[0])
    with pytest.raises(InputError, match="labels every token"):
        objective(llama[1], answer_row(groups, answers_only=False))
