"""HELMET on real records: the label sets as their authors publish them, and key-value objects of Lost in the Middle."""

import json

import pytest

from eval.benchmarks.helmet import icl, recall
from eval.benchmarks.helmet.icl import labelled_set
from tests.real_records import REAL_RECORDS

HELMET = REAL_RECORDS / "helmet"

pytestmark = pytest.mark.skipif(not HELMET.is_dir(), reason=f"real records are not at {HELMET}")


@pytest.mark.parametrize(
    ("task", "shown", "asked", "labels"),
    [
        # This copy of TREC lacks nine of the 5,952 official lines, and one of its lines has a broken fine label.
        ("trec_coarse", 5444, 499, 6),
        ("trec_fine", 5444, 499, 50 + 1),
        ("banking77", 10003, 3080, 77),
        ("clinc150", 15100, 3100, 151),
    ],
)
def test_the_published_sets_are_read_whole(context_of, task, shown, asked, labels):
    found = labelled_set(context_of("helmet", task, 4096, data={"helmet": HELMET}))
    assert (len(found.shown), len(found.tested), len(found.labels)) == (shown, asked, labels)


def test_real_questions_fill_the_length_with_labelled_examples(context_of):
    options = {"tasks": ["banking77"], "label_samples": 3}
    for row in icl.build(context_of("helmet", "banking77", 3000, options, data={"helmet": HELMET})).rows:
        assert 2900 < row["length"] <= 3000
        assert row["cut_characters"] > 0
        assert 0 <= int(row["answers"][0]) < 77


def test_generated_objects_are_laid_out_as_the_published_ones(context_of):
    with open(HELMET / "kv-retrieval-75_keys.jsonl", encoding="utf-8") as lines:
        published = json.loads(lines.readline())
    pairs = dict(published["ordered_kv_records"])
    rows = recall.json_kv(context_of("helmet", "json_kv", 3000, {"samples": 1}, data={"helmet": None})).rows
    start, end = rows[0]["context"]
    made = json.loads(rows[0]["input"][start:end].removeprefix(recall.HEADING))
    shape = {(len(key), len(value), key.count("-"), key[14]) for key, value in pairs.items()}
    assert {(len(key), len(value), key.count("-"), key[14]) for key, value in made.items()} == shape
