import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InputError
from eval.benchmarks.hops import score as hops
from eval.benchmarks.hops.score import roc_auc
from eval.benchmarks.longppl import score as longppl
from eval.benchmarks.perplexity import score as perplexity
from eval.benchmarks.ruler import score as ruler
from eval.scoring.scored import mean, standard_error

UNIGRAM = {"unigram": {"held_back_entropy": 3.0}}
numbers = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=20)


def merged(samples: list[dict], predictions: list[dict]) -> list[dict]:
    """Samples with their predictions, as scorers get them."""
    return [{"id": str(i), **a, **b} for i, (a, b) in enumerate(zip(samples, predictions, strict=True))]


@given(numbers, numbers)
def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(positive, negative):
    pairs = [(a > b) + 0.5 * (a == b) for a in positive for b in negative]
    naive = sum(pairs) / len(pairs)
    assert roc_auc(np.array(positive), np.array(negative)) == pytest.approx(naive, abs=1e-12)


def test_the_area_under_the_curve_of_nothing_is_none():
    assert roc_auc(np.array([]), np.array([1.0])) is None


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30))
def test_mean_and_standard_error_equal_numpys(values):
    assert mean(values) == pytest.approx(np.mean(values), abs=1e-9)
    assert standard_error(values) == pytest.approx(np.std(values, ddof=1) / math.sqrt(len(values)), abs=1e-9)


def test_perplexity_is_pooled_over_tokens():
    samples = [{"input_ids": [1, 2, 3]}, {"input_ids": [1, 2]}]
    scored = perplexity.score("books", merged(samples, [{"losses": [1.0, 2.0]}, {"losses": [6.0]}]), UNIGRAM)
    assert scored.metrics["nats_per_token"] == 3.0
    assert scored.metrics["perplexity"] == math.exp(3.0)
    assert scored.metrics["tokens"] == 3
    assert [row["nats_per_token"] for row in scored.rows] == [1.5, 6.0]


def test_longppl_pools_key_tokens_in_log_space_and_reads_each_loss_one_before_its_token():
    rows = [
        {"input_ids": [5, 6, 7, 8], "key_positions": [1, 3]},
        {"input_ids": [5, 6], "key_positions": []},
        {"input_ids": [5, 6], "key_positions": [1]},
    ]
    losses = [{"losses": [1.0, 50.0, 2.0]}, {"losses": [9.0]}, {"losses": [6.0]}]
    scored = longppl.score("books", merged(rows, losses), {})
    assert scored.metrics["longppl"] == math.exp(3.0)
    assert scored.metrics["key_tokens"] == 3
    assert scored.metrics["perplexity"] == pytest.approx(math.exp(68.0 / 5))
    assert [row["key_nats_per_token"] for row in scored.rows] == [1.5, None, 6.0]


def test_longppl_without_key_tokens_is_null_and_not_an_error():
    scored = longppl.score("books", [{"id": "0", "input_ids": [1, 2], "key_positions": [], "losses": [1.0]}], {})
    assert scored.metrics["longppl"] is None
    assert scored.metrics["key_tokens"] == 0


@pytest.mark.parametrize(
    ("answer", "expected", "score"),
    [
        ("  it is ABCDE and fghij.", ["abcde", "FGHIJ"], 100.0),
        ("abcde", ["abcde", "fghij", "klmno", "pqrst"], 25.0),
        ("", ["1234567"], 0.0),
        ("12\x0034567", ["1234567"], 0.0),
        ("12345678", ["1234567"], 100.0),
    ],
)
def test_string_match_all_is_the_share_of_expected_strings_found(answer, expected, score):
    scored = ruler.score("vt", [{"prediction": answer, "answers": expected}], {})
    assert scored.metrics["string_match_all"] == scored.score == score
    assert scored.per_sample == [score / 100]


HOPS_ROW = {
    "input_ids": list(range(8)),
    "spans": [
        {"kind": "irrelevant", "start": 0, "end": 2},
        {"kind": "supporting", "start": 2, "end": 4},
        {"kind": "interference", "start": 4, "end": 6},
        {"kind": "question", "start": 6, "end": 7},
        {"kind": "answer", "start": 7, "end": 8},
    ],
}


def test_hops_counts_critical_tokens_by_kind():
    found = {"grad_norm": [1, 2, 4, 1, 3, 1, 1, 9], "noise": [1, 1, 0, 1, 0, 1, 1, 0], "ce": 2.0}
    metrics = hops.score("3hop", merged([HOPS_ROW], [found]), {}).metrics
    assert metrics["recall"] == {
        "supporting": 0.5,
        "interference": 0.5,
        "irrelevant": 0.0,
        "emoji": None,
        "question": 0.0,
        "answer": 1.0,
    }
    assert metrics["precision"] == {"supporting": 0.5, "interference": 0.5, "irrelevant": 0.0, "emoji": 0.0}
    assert metrics["mean_norm"]["supporting"] == 2.5
    assert metrics["relative_norm"]["supporting"] == pytest.approx(2.5 / (22 / 8))
    assert metrics["auc_supporting"] == pytest.approx((4 + 1.0) / 8)
    assert metrics["noise_share"] == 5 / 8
    assert metrics["ce"] == 2.0


def test_scaling_every_norm_of_a_row_changes_no_area_and_no_relative_norm():
    found = {"grad_norm": [1, 2, 4, 1, 3, 1, 1, 9], "noise": [1, 1, 0, 1, 0, 1, 1, 0]}
    scaled = {**found, "grad_norm": [value * 1e-6 for value in found["grad_norm"]]}
    one, other = (hops.score("3hop", merged([HOPS_ROW], [value]), {}).metrics for value in (found, scaled))
    assert one["auc_supporting"] == other["auc_supporting"]
    assert one["relative_norm"] == pytest.approx(other["relative_norm"])


@pytest.mark.parametrize("wrong", [[1.0], [1.0, float("nan")], [1.0, None], None])
def test_predictions_with_missing_or_broken_numbers_are_refused(wrong):
    with pytest.raises(InputError, match="losses"):
        perplexity.score("books", [{"id": "0", "input_ids": [1, 2, 3], "losses": wrong}], UNIGRAM)
