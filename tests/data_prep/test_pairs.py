"""Pairs x, x': every token that stays is where it belongs, and no pair is parted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InputError
from contracts.ranks import Ranking, touching
from data_prep.packs.plan import LONGER, plan_groups
from data_prep.pairs import masking_of
from data_prep.settings import AugmentSettings, PackSettings

MASK = 999


@st.composite
def samples(draw: st.DrawFn) -> tuple[np.ndarray, Ranking, list[tuple[int, int]]]:
    """Tokens, chunks that tile a part of them, and a span outside of it."""
    before, after = draw(st.integers(0, 5)), draw(st.integers(1, 5))
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=8))
    edges = before + np.cumsum([0, *lengths])
    scores = draw(st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=len(lengths), max_size=len(lengths)))
    ids = np.arange(before + sum(lengths) + after, dtype=np.int32)
    chunks = np.stack([edges[:-1], edges[1:]], 1)
    return ids, Ranking("s", chunks, np.array(scores)), [(len(ids) - after, len(ids))]


SETTINGS = st.builds(
    AugmentSettings, share=st.floats(0.05, 1.0), replace=st.sampled_from(["mask", "drop"]), mask_token=st.just(MASK)
)


@given(sample=samples(), settings=SETTINGS)
def test_the_best_chunks_stay_and_every_token_of_the_others_goes(sample, settings):
    ids, ranking, _ = sample
    masking = masking_of(len(ids), ranking, settings, MASK, "here")
    made = masking.tokens(ids)
    count = settings.kept(len(ranking.chunks))
    stays = [chunk for chunk in ranking.chunks if masking.stays_N[chunk[0]]]
    assert len(stays) == count
    threshold = np.sort(ranking.scores)[::-1][count - 1]
    kept_scores = [
        score for score, (begin, _) in zip(ranking.scores, ranking.chunks, strict=True) if masking.stays_N[begin]
    ]
    assert min(kept_scores) == threshold
    outside = np.ones(len(ids), bool)
    for begin, end in ranking.chunks:
        outside[begin:end] = False
        assert masking.stays_N[begin:end].all() or not masking.stays_N[begin:end].any()
    assert masking.stays_N[outside].all()
    if settings.replace == "mask":
        assert len(made) == len(ids)
        assert (made[masking.stays_N] == ids[masking.stays_N]).all()
        assert (made[~masking.stays_N] == MASK).all()
    else:
        assert made.tolist() == ids[masking.stays_N].tolist()


@given(sample=samples(), settings=SETTINGS, data=st.data())
def test_spans_of_the_masked_sample_hold_the_tokens_of_the_spans_that_stay(sample, settings, data):
    ids, ranking, labels = sample
    masking = masking_of(len(ids), ranking, settings, MASK, "here")
    made = masking.tokens(ids)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(ids)), min_size=2, max_size=6)))
    for spans in (labels, list(zip(cuts[::2], cuts[1::2], strict=False))):
        found = [token for begin, end in masking.spans(spans) for token in made[begin:end].tolist()]
        assert found == [t for begin, end in spans for t in ids[begin:end][masking.stays_N[begin:end]].tolist()]
        assert all(begin < end for begin, end in masking.spans(spans))
    assert masking.spans(None) is None
    assert len(masking.spans(labels)) == 1


def test_equal_scores_keep_the_earlier_chunk_and_more_chunks_than_there_are_is_told():
    ranking = Ranking("s", np.array([[0, 2], [2, 4], [4, 6]]), np.array([1.0, 1.0, 1.0]))
    assert masking_of(7, ranking, AugmentSettings(top_k=2), MASK, "here").stays_N.tolist() == [1, 1, 1, 1, 0, 0, 1]
    with pytest.raises(InputError, match="here: 3 chunks, and top_k 4"):
        masking_of(7, ranking, AugmentSettings(top_k=4), MASK, "here")


@given(
    chunks=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    span=st.tuples(st.integers(0, 20), st.integers(1, 9)),
)
def test_a_chunk_holds_evidence_where_they_share_a_token(chunks, span):
    edges = np.cumsum([3, *chunks])
    pairs = np.stack([edges[:-1], edges[1:]], 1)
    wanted = [bool(set(range(b, e)) & set(range(span[0], span[0] + span[1]))) for b, e in pairs.tolist()]
    assert touching(pairs, [(span[0], span[0] + span[1])]).tolist() == wanted


@given(
    lengths=st.lists(st.integers(1, 30), max_size=24),
    together=st.integers(2, 3),
    alignment=st.integers(1, 4),
    length=st.integers(4, 20),
    rows=st.none() | st.integers(1, 4),
    seed=st.none() | st.integers(0, 3),
)
def test_documents_of_a_group_are_next_to_each_other_in_one_row_or_all_left_out(
    lengths, together, alignment, length, rows, seed
):
    lengths = np.array(lengths[: len(lengths) // together * together], dtype=np.int64)
    settings = PackSettings(
        length=length * alignment, alignment=alignment, rows=rows, shuffle_seed=seed, mode="best-fit"
    )
    plan = plan_groups(lengths, settings, together)
    seen = []
    for row in range(len(plan)):
        documents = plan.documents[plan.rows[row] : plan.rows[row + 1]].reshape(-1, together)
        assert (documents == documents[:, :1] + np.arange(together)).all()
        assert (documents[:, 0] % together == 0).all()
        assert (-(-lengths[documents] // alignment) * alignment).sum() <= settings.length
        seen += documents.reshape(-1).tolist()
    assert len(set(seen)) == len(seen)
    assert plan.tokens.tolist() == lengths[plan.documents].tolist()
    assert plan.tokens.sum() + sum(plan.dropped.values()) == lengths.sum()
    assert len(seen) + sum(plan.dropped_documents.values()) == len(lengths)
    if rows is None:
        aligned = (-(-lengths.reshape(-1, together) // alignment) * alignment).sum(1)
        assert plan.dropped_documents.get(LONGER, 0) == together * int((aligned > settings.length).sum())
