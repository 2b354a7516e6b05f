"""The table's numbers: sets by their buckets, categories by their sets, the average by its categories."""

import pytest

from eval.benchmarks.longbench.aggregate import aggregate
from eval.benchmarks.longbench.tasks import CATEGORIES, SYNTHETIC, TASKS

# Table 1 of the paper, Llama-3.1-8B-Instruct + CDT; the printed average is 50.92.
PAPER = dict(zip(CATEGORIES, (50.11, 46.04, 30.34, 62.49, 65.64), strict=True))


def cell(task: str, buckets: tuple, score: float = 1.0, length: int = 4096) -> dict:
    return {
        "task": task,
        "length": length,
        "score": score,
        "buckets": dict(zip(("0-4k", "4-8k", "8k+"), buckets, strict=True)),
    }


def all_sets(length: int = 4096) -> list[dict]:
    return [cell(task, (10.0 * n, 20.0, None), score=n, length=length) for n, task in enumerate(TASKS)]


def test_a_set_is_the_mean_of_its_filled_buckets_and_musique_its_plain_mean():
    found = aggregate(all_sets())["lengths"]["4096"]["tasks"]
    assert found["qasper"] == (0 + 20) / 2
    assert found["samsum"] == (90 + 20) / 2
    assert found["musique"] == TASKS.index("musique")
    assert aggregate([cell("qasper", (None, None, None), 7.0)])["lengths"]["4096"]["tasks"]["qasper"] == 7.0


def test_the_average_is_that_of_the_five_categories_whatever_their_sizes():
    sets = [
        cell(task, (value, value, value), value) for category, value in PAPER.items() for task in CATEGORIES[category]
    ]
    found = aggregate([*sets, cell(SYNTHETIC[0], (0.0, 0.0, 0.0), 0.0)])
    table = found["lengths"]["4096"]
    assert table["categories"] == {name: pytest.approx(value) for name, value in PAPER.items()}
    assert table["average"] == found["score"] == pytest.approx(50.92, abs=0.005)
    assert table["synthetic"] == {SYNTHETIC[0]: 0.0}


def test_a_missing_set_leaves_no_average_but_its_name():
    table = aggregate([entry for entry in all_sets() if entry["task"] != "lcc"])["lengths"]["4096"]
    assert (table["average"], table["missing"]) == (None, ["lcc"])
    assert table["categories"]["code"] is not None


def test_lengths_are_told_apart():
    found = aggregate([*all_sets(512), *all_sets(4096)])
    assert list(found["lengths"]) == ["512", "4096"]
    assert found["score"] == pytest.approx(found["lengths"]["512"]["average"])
