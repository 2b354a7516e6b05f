"""The information flow is autograd's on transformers' eager attention, whatever the attention and the block."""

from unittest import mock

import pytest
import torch

from contracts.errors import InputError
from eval.analysis.information_flow import information_flow, opened, readings
from eval.analysis.settings import InformationFlowSettings, ScriptsFlowSettings
from eval.benchmarks.hops.labelled_rows import IGNORED
from tests.eval.analysis.models import CLASSES, labelled_row, tiny_model


def softmax_in_full_precision(softmax):
    """transformers' eager attention rounds its softmax to float32, which a tiny difference makes a large one of."""
    return lambda logits, dim, dtype=None: softmax(logits, dim=dim)


def eager_attention_and_gradient(model, row):
    """(A, dL/dA) of every layer [L, H, N, N], by transformers' eager attention and its own loss."""
    with mock.patch("torch.nn.functional.softmax", softmax_in_full_precision(torch.nn.functional.softmax)):
        return transformers_own(model, row)


def transformers_own(model, row):
    """The same as transformers computes it."""
    embeddings = model.get_input_embeddings()(torch.tensor([row["input_ids"]])).requires_grad_(True)
    output = model(inputs_embeds=embeddings, labels=torch.tensor([row["labels"]]), output_attentions=True)
    gradients = torch.autograd.grad(output.loss, output.attentions)
    return torch.cat(output.attentions).detach(), torch.cat(gradients)


def counted(row, queries):
    """The positions of the queries that count."""
    labelled = [place for place, label in enumerate(row["labels"]) if label != IGNORED]
    return {"predicting": [place - 1 for place in labelled], "answer": labelled, "all": range(len(row["labels"]))}[
        queries
    ]


@pytest.mark.parametrize("queries", ["predicting", "answer", "all"])
@pytest.mark.parametrize("block", [1, 7, 64])
@pytest.mark.parametrize("kind", CLASSES)
def test_the_papers_form_equals_autograd_on_eager_attention(kind, block, queries):
    row = labelled_row()
    weights, gradients = eager_attention_and_gradient(tiny_model(kind, "eager"), row)
    expected = (weights * gradients.abs())[:, :, counted(row, queries)].sum(2)
    options = InformationFlowSettings(queries=queries, block=block)
    flow = information_flow(tiny_model(kind), row, options)
    torch.testing.assert_close(flow, expected, rtol=1e-5, atol=1e-9)
    torch.testing.assert_close(opened(tiny_model(kind), options)(row), expected.mean((0, 1)), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("block", [3, 64])
@pytest.mark.parametrize("kind", CLASSES)
def test_the_scripts_form_sums_heads_before_the_absolute_value(kind, block):
    row = labelled_row()
    weights, gradients = eager_attention_and_gradient(tiny_model(kind, "eager"), row)
    saliency = (weights * gradients).sum(1).abs()
    saliency -= saliency * torch.eye(saliency.shape[-1], dtype=saliency.dtype)
    expected = saliency[2:, counted(row, "predicting")].mean(1)
    flow = information_flow(tiny_model(kind), row, ScriptsFlowSettings(block=block))
    # 0.75 of three layers: the last one.
    torch.testing.assert_close(flow[:, 0], expected, rtol=1e-5, atol=1e-9)


def test_float32_keeps_five_digits():
    row = labelled_row()
    weights, gradients = eager_attention_and_gradient(tiny_model("llama", "eager"), row)
    flow = information_flow(tiny_model("llama", dtype=torch.float32), row, InformationFlowSettings())
    expected = (weights * gradients.abs())[:, :, counted(row, "predicting")].sum(2)
    scale = float(expected.max())
    torch.testing.assert_close(flow.double() / scale, expected / scale, rtol=1e-5, atol=1e-5)


def test_layers_that_are_computed_again_give_the_same_flow():
    row = labelled_row()
    once = information_flow(tiny_model(), row, InformationFlowSettings())
    model = tiny_model()
    again = information_flow(model, row, InformationFlowSettings(recompute=True))
    assert torch.equal(once, again)
    assert not any(module.training for module in model.modules())


def test_scores_are_the_mean_over_heads_and_layers():
    read = readings(tiny_model(), InformationFlowSettings())(labelled_row())
    torch.testing.assert_close(read.scores, read.heads.double().mean((0, 1)))


def test_tokens_behind_the_last_predicting_query_give_nothing():
    scores = opened(tiny_model(), InformationFlowSettings())(labelled_row())
    assert scores[-1] == 0.0
    assert bool((scores[:-1] > 0).all())


def test_the_model_has_its_own_attention_again_afterwards():
    model, row = tiny_model(), labelled_row()
    before = model(torch.tensor([row["input_ids"]])).logits
    opened(model, InformationFlowSettings())(row)
    assert model.config._attn_implementation == "sdpa"
    assert torch.equal(model(torch.tensor([row["input_ids"]])).logits, before)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_attention_that_is_more_than_a_softmax_is_refused():
    model = tiny_model()
    model.config.attn_logit_softcapping = 30.0
    with pytest.raises(InputError, match="leave out the instruments that read its attention"):
        opened(model, InformationFlowSettings())(labelled_row())
