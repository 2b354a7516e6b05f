"""The table's numbers are those of their definitions, counted pair by pair and token by token."""

from itertools import product

import numpy as np
import pytest

from eval.analysis.table import by_head_records, chosen_heads, head_records, instrument_records, row_measures
from eval.benchmarks.hops.score import CONTEXT_KINDS
from tests.eval.analysis.models import labelled_row

ROW = {**labelled_row(), "id": "a"}
SCORES = np.random.default_rng(1).integers(0, 9, len(ROW["input_ids"])).astype(float)


def scores_of(*kinds):
    return [
        score
        for span in ROW["spans"]
        if span["kind"] in kinds
        for score in SCORES[span["start"] : span["end"]].tolist()
    ]


def chance_above(positives, negatives):
    wins = [1.0 if one > other else 0.5 if one == other else 0.0 for one, other in product(positives, negatives)]
    return sum(wins) / len(wins)


@pytest.mark.parametrize("kind", CONTEXT_KINDS)
def test_areas_count_every_pair(kind):
    found = row_measures(ROW, SCORES.tolist(), top=5)
    others = [other for other in CONTEXT_KINDS if other != kind]
    assert found["auc"][kind] == pytest.approx(chance_above(scores_of(kind), scores_of(*others)))
    if kind == "interference":
        assert kind not in found["auc_against_interference"]
    else:
        expected = chance_above(scores_of(kind), scores_of("interference"))
        assert found["auc_against_interference"][kind] == pytest.approx(expected)


@pytest.mark.parametrize("kind", CONTEXT_KINDS)
def test_precision_and_recall_are_by_the_mean_of_the_row(kind):
    found = row_measures(ROW, SCORES.tolist(), top=5)
    critical = [score for score in scores_of(kind) if score >= SCORES.mean()]
    all_critical = [score for score in scores_of(*CONTEXT_KINDS) if score >= SCORES.mean()]
    assert found["recall"][kind] == pytest.approx(len(critical) / len(scores_of(kind)))
    assert found["precision"][kind] == pytest.approx(len(critical) / len(all_critical))
    assert sum(found["top_precision"].values()) == pytest.approx(1.0)


def test_shares_of_kinds_sum_to_one_and_are_absent_where_a_score_is_negative():
    found = row_measures(ROW, SCORES.tolist(), top=5)
    means = {kind: np.mean(scores_of(kind)) for kind in CONTEXT_KINDS}
    assert found["mean_share"] == pytest.approx({kind: value / sum(means.values()) for kind, value in means.items()})
    assert found["total_share"]["supporting"] == pytest.approx(
        sum(scores_of("supporting")) / sum(scores_of(*CONTEXT_KINDS))
    )
    assert row_measures(ROW, (SCORES - 1).tolist(), top=5)["mean_share"] == {}


def test_rows_are_averaged_and_split_by_right_and_wrong_answers():
    rows, lines = [ROW] * 3, [{"scores": (SCORES * sign).tolist()} for sign in (1, -1, 1)]
    answers = [{"right": True}, {"right": False}, {"right": True}]
    records = instrument_records("occlusion", rows, lines, answers, labels="true", top=5, seed=0)
    areas = {
        record["answers"]: record for record in records if (record["measure"], record["kind"]) == ("auc", "supporting")
    }
    right = chance_above(scores_of("supporting"), scores_of("interference", "irrelevant", "emoji"))
    assert {group: record["n"] for group, record in areas.items()} == {"all": 3, "right": 2, "wrong": 1}
    assert areas["right"]["value"] == pytest.approx(right)
    assert areas["wrong"]["value"] == pytest.approx(1 - right)
    assert areas["all"]["value"] == pytest.approx((1 + right) / 3)
    assert areas["all"]["low"] <= areas["all"]["value"] <= areas["all"]["high"]


def test_a_group_without_rows_is_left_out():
    lines = [{"scores": SCORES.tolist()}]
    records = instrument_records("occlusion", [ROW], lines, [{"right": True}], labels="true", top=5, seed=0)
    assert {record["answers"] for record in records} == {"all", "right"}


def heads_line(supporting, irrelevant):
    """Two heads of one layer."""
    nothing = [[0.0, 0.0]]
    return {
        "heads": {"supporting": [supporting], "interference": nothing, "irrelevant": [irrelevant], "emoji": nothing}
    }


def test_heads_are_chosen_on_the_other_rows():
    sums = np.zeros((4, len(CONTEXT_KINDS), 3))
    # Even rows hold most at head 0, odd rows at head 2.
    sums[0::2, 0, 0] = sums[1::2, 0, 2] = 5.0
    chosen = chosen_heads(sums, 1)
    assert chosen.tolist() == [[False, False, True], [True, False, False]] * 2


def test_table_5_compares_the_chosen_heads_with_all():
    lines = [heads_line([3.0, 1.0], [1.0, 3.0])] * 2
    records = list(head_records("fact_retrieval", lines, [{"right": True}, {"right": False}], 1, seed=0))
    found = {(r["heads"], r["kind"]): r["value"] for r in records if r["answers"] == "all"}
    assert found["top 1", "supporting"] == pytest.approx(0.75)
    assert found["all 2", "supporting"] == pytest.approx(0.5)
    assert found["top 1", "irrelevant"] == pytest.approx(0.25)
    assert not list(head_records("fact_retrieval", lines, [{"right": True}] * 2, 2, seed=0))
    assert not list(head_records("occlusion", [{"scores": []}] * 2, [{"right": True}] * 2, 1, seed=0))


def test_by_head_divides_a_kinds_sum_by_its_tokens():
    lines = [{**heads_line(sums, [24.0, 0.0]), "first_layer": 2} for sums in ([7.0, 14.0], [21.0, 0.0])]
    found = {
        (r["kind"], r["layer"], r["head"]): r["value"] for r in by_head_records("fact_retrieval", [ROW] * 2, lines)
    }
    # Seven supporting tokens; fourteen irrelevant ones.
    assert found["supporting", 2, 0] == pytest.approx(2.0)
    assert found["supporting", 2, 1] == pytest.approx(1.0)
    assert found["irrelevant", 2, 0] == pytest.approx(24 / len(scores_of("irrelevant")))


def test_the_mean_of_a_kind_is_the_papers_number():
    assert row_measures(ROW, SCORES.tolist(), top=5)["mean"]["emoji"] == pytest.approx(np.mean(scores_of("emoji")))


def test_facts_are_compared_by_their_highest_tokens():
    highest = {
        kind: [SCORES[span["start"] : span["end"]].max() for span in ROW["spans"] if span["kind"] == kind]
        for kind in ("supporting", "interference")
    }
    expected = chance_above(highest["supporting"], highest["interference"])
    assert len(highest["supporting"]) == 2
    assert row_measures(ROW, SCORES.tolist(), top=5)["fact_auc"] == {"supporting": pytest.approx(expected)}
