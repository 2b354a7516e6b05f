"""FR scores and attention masses are counts and means over transformers' eager attention."""

import pytest
import torch

from eval.analysis import attention
from eval.analysis.fact_retrieval import fact_retrieval, opened
from eval.analysis.settings import AttentionMassSettings, FactRetrievalSettings
from eval.benchmarks.hops.labelled_rows import IGNORED
from tests.eval.analysis.models import CLASSES, labelled_row, tiny_model


@torch.no_grad()
def eager_rows(kind, row):
    """A of the queries that predict the answer, by transformers: [L, H, R, N]."""
    output = tiny_model(kind, "eager")(torch.tensor([row["input_ids"]]), output_attentions=True)
    predicting = [place - 1 for place, label in enumerate(row["labels"]) if label != IGNORED]
    return torch.cat(output.attentions)[:, :, predicting]


@pytest.mark.parametrize("block", [1, 3, 64])
@pytest.mark.parametrize("kind", CLASSES)
def test_fr_counts_the_steps_in_which_a_token_is_among_the_most_attended(kind, block):
    row, top = labelled_row(), 5
    weights = eager_rows(kind, row)
    # Counted one step after the other: Eq. of FR, |s_j ∩ T_r| / |T_r| for a token alone.
    expected = torch.zeros(weights.shape[0], weights.shape[1], weights.shape[3], dtype=torch.float64)
    for layer, head, step in torch.cartesian_prod(*map(torch.arange, weights.shape[:3])):
        ranked = sorted(range(weights.shape[3]), key=lambda key: -float(weights[layer, head, step, key]))
        expected[layer, head, ranked[:top]] += 1 / weights.shape[2]
    found = fact_retrieval(tiny_model(kind), row, FactRetrievalSettings(top=top, block=block))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", CLASSES)
def test_mass_is_the_mean_weight_over_the_last_layers(kind):
    row = labelled_row()
    expected = eager_rows(kind, row)[2:].mean((0, 1, 2))
    torch.testing.assert_close(opened(tiny_model(kind), AttentionMassSettings())(row), expected, rtol=1e-5, atol=1e-8)


def test_over_all_layers_the_mass_is_what_the_detector_attention_gives():
    model, row = tiny_model(dtype=torch.float32), labelled_row()
    mass = opened(model, AttentionMassSettings(layers_from=0.0))(row)
    torch.testing.assert_close(mass, attention.opened(model, None)(row), rtol=1e-5, atol=1e-8)
    assert model.config._attn_implementation == "sdpa"


def test_no_token_is_attended_that_no_query_can_see():
    row = labelled_row()
    row["labels"] = [IGNORED] * 3 + row["input_ids"][3:4] + [IGNORED] * (len(row["labels"]) - 4)
    scores = opened(tiny_model(), FactRetrievalSettings(top=30))(row)
    assert bool((scores[:3] == 1).all())
    assert bool((scores[3:] == 0).all())
