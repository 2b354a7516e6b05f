"""Agreement is a correlation of ranks over the context; a proportion is a line of slope one over logarithms."""

import numpy as np
import pytest

from eval.analysis.agreement import agreement_records, figure_5_points, figure_5_records, spearman
from eval.analysis.context import context_tokens
from tests.eval.analysis.models import labelled_row

ROWS = [{**labelled_row(seed=seed), "id": f"row-{seed}"} for seed in range(6)]
GENERATOR = np.random.default_rng(2)


def lines(change=lambda scores: scores, seed=3):
    generator = np.random.default_rng(seed)
    return [{"scores": change(generator.uniform(0.1, 1.0, len(row["input_ids"]))).tolist()} for row in ROWS]


def test_agreement_is_the_correlation_of_ranks_over_the_contexts_tokens():
    scores = {"occlusion": lines(seed=3), "attention": lines(seed=4)}
    (found,) = agreement_records(ROWS, scores, seed=0)
    expected = []
    for row, one, other in zip(ROWS, scores["occlusion"], scores["attention"], strict=True):
        first, second = (np.array(line["scores"])[context_tokens(row)] for line in (one, other))
        # Without ties a rank is how many are below.
        ranks = [(values[:, None] > values[None]).sum(1) for values in (first, second)]
        expected.append(np.corrcoef(*ranks)[0, 1])
    assert found["value"] == pytest.approx(np.mean(expected))
    assert (found["first"], found["second"], found["n"]) == ("occlusion", "attention", 6)


def test_what_orders_tokens_alike_agrees_wholly():
    scores = {
        "occlusion": lines(),
        "attention": lines(lambda scores: scores**3),
        "longppl": lines(lambda scores: -scores),
    }
    found = {(record["first"], record["second"]): record["value"] for record in agreement_records(ROWS, scores, seed=0)}
    assert found["occlusion", "attention"] == pytest.approx(1.0)
    assert found["occlusion", "longppl"] == pytest.approx(-1.0)


def test_scores_that_do_not_vary_have_no_rank():
    assert spearman(np.ones(9), np.arange(9)) is None


def test_a_proportion_is_a_line_of_slope_one():
    scores = {"embedding_gradient": lines(), "information_flow": lines(lambda scores: 0.02 * scores)}
    points = list(figure_5_points(ROWS, scores))
    assert len(points) == sum(int(context_tokens(row).sum()) for row in ROWS)
    found = {(record["kind"], record["measure"]): record for record in figure_5_records(points, seed=0)}
    for kind in ("supporting", "irrelevant", "all"):
        for measure in ("pearson_log", "slope_log", "spearman"):
            assert found[kind, measure]["value"] == pytest.approx(1.0)
    # Two emoji tokens a row are too few.
    assert ("emoji", "spearman") not in found


def test_a_square_is_a_line_of_slope_two():
    scores = {"embedding_gradient": lines(), "information_flow": lines(lambda scores: scores**2)}
    records = figure_5_records(list(figure_5_points(ROWS, scores)), seed=0)
    slopes = [record["value"] for record in records if record["measure"] == "slope_log"]
    assert slopes == pytest.approx([2.0] * len(slopes))


def test_without_both_axes_there_is_no_figure_5():
    assert not list(figure_5_points(ROWS, {"information_flow": lines()}))
