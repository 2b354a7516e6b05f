"""Occlusion is the difference of transformers' own losses with a chunk of the context and without it."""

import numpy as np
import pytest
import torch

from eval.analysis.context import context_tokens
from eval.analysis.occlusion import chunk_and_stride, context_chunks, opened, readings
from eval.analysis.settings import OcclusionSettings
from tests.eval.analysis.models import labelled_row, tiny_model


@torch.no_grad()
def own_loss(model, ids, labels, **options):
    """transformers' own loss."""
    return float(model(torch.tensor([ids]), labels=torch.tensor([labels]), **options).loss)


def expected_scores(row, chunk, loss_without):
    """The definition, chunk by chunk, for chunks that do not overlap."""
    scores, places = np.zeros(len(row["input_ids"])), np.flatnonzero(context_tokens(row))
    whole = own_loss(tiny_model(), row["input_ids"], row["labels"])
    for start in range(0, len(places), chunk):
        gone = places[start : start + chunk]
        scores[gone] = loss_without(gone) - whole
    return torch.from_numpy(scores)


@pytest.fixture
def row():
    row = labelled_row()
    # A label inside the context would go with its chunk.
    row["labels"][10] = -100
    return row


def test_a_removed_chunk_was_never_there(row):
    def loss_without(gone):
        stay = [place for place in range(len(row["input_ids"])) if place not in gone]
        return own_loss(tiny_model(), *([row[key][place] for place in stay] for key in ("input_ids", "labels")))

    scores = opened(tiny_model(), OcclusionSettings(chunk=5, stride=5, replace="remove"))(row)
    torch.testing.assert_close(scores, expected_scores(row, 5, loss_without), rtol=1e-4, atol=1e-5)


def test_a_hidden_chunk_is_masked_and_the_others_keep_their_positions(row):
    count = len(row["input_ids"])

    def loss_without(gone):
        mask = torch.ones(count, count, dtype=torch.bool).tril()
        mask[:, gone] = False
        mask[gone, gone] = True
        return own_loss(tiny_model(), row["input_ids"], row["labels"], attention_mask=mask[None, None])

    scores = opened(tiny_model(), OcclusionSettings(chunk=5, stride=5, replace="hide"))(row)
    torch.testing.assert_close(scores, expected_scores(row, 5, loss_without), rtol=1e-4, atol=1e-5)


def test_a_chunk_of_means_has_the_vocabularys_mean_embedding(row):
    model = tiny_model()
    table = model.get_input_embeddings().weight

    def loss_without(gone):
        embeddings = table[row["input_ids"]].clone()
        embeddings[gone] = table.mean(0)
        with torch.no_grad():
            return float(model(inputs_embeds=embeddings[None], labels=torch.tensor([row["labels"]])).loss)

    scores = opened(model, OcclusionSettings(chunk=5, stride=5, replace="mean"))(row)
    torch.testing.assert_close(scores, expected_scores(row, 5, loss_without), rtol=1e-4, atol=1e-5)


def test_other_tokens_of_the_context_are_drawn_alike_each_time(row):
    options = OcclusionSettings(chunk=5, stride=5, replace="others")
    first, second = (opened(tiny_model(), options)(row) for _ in range(2))
    assert torch.equal(first, second)
    assert first[context_tokens(row)].any()


def test_overlapping_chunks_give_a_token_their_mean(row):
    scores = opened(tiny_model(), OcclusionSettings(chunk=6, stride=3, replace="remove"))(row)
    wide = opened(tiny_model(), OcclusionSettings(chunk=6, stride=6, replace="remove"))(row)
    # The first three tokens of the context lie in one chunk only, which both have.
    assert torch.equal(scores[:3], wide[:3])
    assert not torch.equal(scores[3:6], wide[3:6])


@pytest.mark.parametrize(("chunk", "stride"), [(1, 1), (4, 4), (8, 4), (5, 2), (3, 7), (100, 1)])
@pytest.mark.parametrize("most", [1, 3, 128])
def test_chunks_hold_every_token_of_the_context_and_no_other(row, chunk, stride, most):
    context = context_tokens(row)
    wide, step = chunk_and_stride(int(context.sum()), OcclusionSettings(chunk=chunk, stride=stride, most=most))
    chunks = list(context_chunks(context, wide, step))
    assert set(np.concatenate(chunks)) == set(np.flatnonzero(context))
    assert all(len(places) == wide for places in chunks[:-1])
    assert len(chunks) <= most


def test_a_text_of_too_many_chunks_has_larger_ones_and_says_so(row):
    tokens = int(context_tokens(row).sum())
    read = readings(tiny_model(), OcclusionSettings(chunk=4, stride=2, most=4))(row)
    factor = -(-tokens // 8)
    assert read.facts == {"chunk": 4 * factor, "stride": 2 * factor}
    assert chunk_and_stride(128 * 4, OcclusionSettings()) == (8, 4)
    assert chunk_and_stride(128 * 4 + 1, OcclusionSettings()) == (16, 8)
