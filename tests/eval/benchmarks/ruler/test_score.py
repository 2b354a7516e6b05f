"""string_match_all and string_match_part are RULER's, on predictions that its own scorer has scored."""

import json
from pathlib import Path

import pytest

from contracts.errors import InputError
from eval.benchmarks.ruler.score import score

# Made once: 240 predictions near and far from their answers, scored by RULER's own code (see the file's "how").
GOLDEN = json.loads(Path(__file__).with_name("golden_scores.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("task", "metric"), [("niah_multivalue", "all"), ("vt", "all"), ("qa_1", "part"), ("qa_2", "part")]
)
def test_every_score_is_the_official_one(task, metric):
    scored = score(task, GOLDEN["cases"], {})
    assert len(scored.per_sample) == len(GOLDEN["cases"]) == 240
    assert len({case[metric] for case in GOLDEN["cases"]}) > 1
    for ours, case in zip(scored.per_sample, GOLDEN["cases"], strict=True):
        assert round(100 * ours, 2) == case[metric]
    assert round(scored.score, 2) == GOLDEN[metric]
    assert scored.metrics[f"string_match_{metric}"] == scored.score


def test_answers_found_are_counted_whatever_the_case_and_the_control_characters():
    rows = [
        {
            "id": "one",
            "prediction": "\x00The values:\tABC\x1fdef",
            "answers": ["abc", "DEF", "ghi", "\n"],
            "depths": [0.5],
        }
    ]
    scored = score("niah_multivalue", rows, {})
    assert scored.per_sample == [0.75]
    assert scored.rows[0]["depths"] == [0.5]


def test_a_sample_without_answers_is_refused():
    with pytest.raises(InputError, match="no answers"):
        score("vt", [{"prediction": "x", "answers": []}], {})
