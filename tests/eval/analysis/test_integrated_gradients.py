"""Integrated gradients sum to the loss's change, equal a sum over many points, and captum's where it is installed."""

import numpy as np
import pytest
import torch

from eval.analysis.context import context_tokens
from eval.analysis.embedding_gradient import answer_loss, row_embeddings
from eval.analysis.integrated_gradients import baseline_embeddings, opened, readings
from eval.analysis.settings import IntegratedGradientsSettings
from tests.eval.analysis.models import labelled_row, tiny_model

EXACT = IntegratedGradientsSettings(steps=64, steps_max=256, tolerance=1e-5)


def small_steps_along_the_path(model, row, options, steps=150):
    """The loss's change by token, from differences of the loss alone: no gradient is taken."""
    embeddings = row_embeddings(model, row["input_ids"])
    baseline = baseline_embeddings(model, row, embeddings, options)
    way, size = embeddings - baseline, 1e-3
    scores = torch.zeros(len(way), dtype=torch.float64)
    with torch.no_grad():
        for alpha in (np.arange(steps) + 0.5) / steps:
            here = baseline + alpha * way
            for token in np.flatnonzero(context_tokens(row))[:3]:
                step = torch.zeros_like(way)
                step[token] = size * way[token]
                ahead, behind = (float(answer_loss(model, here + sign * step, row["labels"])) for sign in (1, -1))
                scores[token] -= (ahead - behind) / (2 * size) / steps
    return scores


@pytest.mark.parametrize("tokens", ["context", "all"])
def test_scores_sum_to_the_change_of_the_loss(tokens):
    model, row = tiny_model(), labelled_row()
    options = EXACT.model_copy(update={"tokens": tokens})
    read = readings(model, options)(row)
    embeddings = row_embeddings(model, row["input_ids"])
    start = baseline_embeddings(model, row, embeddings, options)
    change = float(answer_loss(model, start, row["labels"]) - answer_loss(model, embeddings, row["labels"]))
    assert float(read.scores.sum()) == pytest.approx(change, rel=2e-3)


def test_the_gap_is_stated_where_the_points_do_not_suffice():
    # Next to zero the norm of a layer turns within a hundredth of the path: 16 points miss it.
    model, row = tiny_model(), labelled_row()
    options = IntegratedGradientsSettings(baseline="zero", steps=16, steps_max=16)
    read = readings(model, options)(row)
    zeros = row_embeddings(model, row["input_ids"]).masked_fill(torch.from_numpy(context_tokens(row))[:, None], 0.0)
    change = float(answer_loss(model, zeros, row["labels"])) - float(
        answer_loss(model, row_embeddings(model, row["input_ids"]), row["labels"])
    )
    assert read.facts["change"] == pytest.approx(change)
    assert read.facts["gap"] == pytest.approx(abs(float(read.scores.sum()) - change) / abs(change))
    assert read.facts["gap"] > options.tolerance


def test_scores_equal_finite_differences_of_the_loss():
    model, row = tiny_model(), labelled_row(tokens=30)
    found, expected = opened(model, EXACT)(row), small_steps_along_the_path(model, row, EXACT)
    first = np.flatnonzero(context_tokens(row))[:3]
    torch.testing.assert_close(found[first], expected[first], rtol=0.01, atol=0.001)


def test_points_are_doubled_until_the_gap_is_small():
    row = labelled_row()
    few = readings(tiny_model(), IntegratedGradientsSettings(steps=1, steps_max=1, tolerance=1e-9))(row)
    more = readings(tiny_model(), IntegratedGradientsSettings(steps=1, steps_max=64, tolerance=0.02))(row)
    assert few.facts["steps"] == 1
    assert more.facts["steps"] > 1
    assert more.facts["gap"] < few.facts["gap"]


def test_tokens_that_do_not_move_have_no_score():
    row = labelled_row()
    scores = opened(tiny_model(), IntegratedGradientsSettings())(row)
    assert not scores[~context_tokens(row)].any()
    assert scores[context_tokens(row)].all()


def test_scores_equal_captums():
    captum = pytest.importorskip("captum.attr", reason="captum is not installed")
    model, row = tiny_model(), labelled_row()
    embeddings = row_embeddings(model, row["input_ids"])
    options = EXACT.model_copy(update={"steps": 32, "steps_max": 32})
    start = baseline_embeddings(model, row, embeddings, options)

    def log_probability(batch):
        return torch.stack([-answer_loss(model, one, row["labels"]) for one in batch])

    expected = captum.IntegratedGradients(log_probability).attribute(
        embeddings[None], start[None], n_steps=32, method="gausslegendre"
    )
    torch.testing.assert_close(opened(model, options)(row), expected[0].sum(-1), rtol=1e-4, atol=1e-6)
