"""The scores of a detector: what share of the top tokens, and of the critical ones, lies in which kind of text."""

import pytest

from eval.benchmarks.hops.score import score

ROW = {
    "id": "one",
    "input_ids": list(range(12)),
    "spans": [
        {"kind": "start", "start": 0, "end": 1},
        {"kind": "irrelevant", "start": 1, "end": 4},
        {"kind": "supporting", "start": 4, "end": 6},
        {"kind": "emoji", "start": 6, "end": 7},
        {"kind": "interference", "start": 7, "end": 9},
        {"kind": "question", "start": 9, "end": 11},
        {"kind": "answer", "start": 11, "end": 12},
    ],
    "token_scores": [99.0, 1.0, 2.0, 9.0, 8.0, 3.0, 7.0, 6.0, 0.0, 50.0, 60.0, 70.0],
    "critical": [1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 1, 1],
}


def test_the_top_tokens_are_those_of_the_context_alone():
    scored = score("3hop_attention", [ROW], {"top": 4})
    # 9 irrelevant, 8 supporting, 7 emoji, 6 interference.
    assert scored.metrics["top_precision"] == {
        "supporting": 0.25,
        "interference": 0.25,
        "irrelevant": 0.25,
        "emoji": 0.25,
    }
    assert scored.metrics["top_recall"] == {
        "supporting": 0.5,
        "interference": 0.5,
        "irrelevant": pytest.approx(1 / 3),
        "emoji": 1.0,
    }
    assert scored.metrics["top_tokens"] == 4
    assert scored.score == 50.0
    assert scored.per_sample == [0.5]


def test_critical_tokens_are_counted_by_kind():
    metrics = score("3hop_attention", [ROW], {}).metrics
    assert metrics["precision"] == {
        "supporting": pytest.approx(1 / 3),
        "interference": 0.0,
        "irrelevant": pytest.approx(1 / 3),
        "emoji": pytest.approx(1 / 3),
    }
    assert metrics["critical_tokens"] == 3
    assert metrics["recall"]["supporting"] == 0.5
    assert metrics["recall"]["question"] == 1.0


def test_fewer_tokens_than_the_top_are_all_taken_and_equal_scores_take_the_earlier():
    equal = {**ROW, "token_scores": [1.0] * 12}
    assert score("3hop_longppl", [equal], {"top": 3}).metrics["top_precision"]["irrelevant"] == 1.0
    assert score("3hop_longppl", [equal], {"top": 30}).metrics["top_recall"] == dict.fromkeys(
        ("supporting", "interference", "irrelevant", "emoji"), 1.0
    )
