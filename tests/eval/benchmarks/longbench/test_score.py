"""LongBench's metrics are the published ones: equal bits on predictions that its own code has scored."""

import json
import math
from difflib import SequenceMatcher
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import command_line
from contracts.errors import InputError
from eval.__main__ import COMMANDS
from eval.benchmarks.longbench.score import SIMILARITY_NAMES, classification, code_similarity, rouge_l, score
from eval.benchmarks.longbench.tasks import TASKS, WITHOUT_E_EDITION
from eval.registry import BENCHMARKS

# Made once: ~370 predictions near and far from their answers, scored by LongBench's own code (see the file's "how").
GOLDEN = json.loads(Path(__file__).with_name("golden_scores.json").read_text(encoding="utf-8"))["tasks"]


# What fuzzywuzzy itself gives for pairs of one line each, with python-Levenshtein and without.
SIMILARITIES = json.loads(Path(__file__).with_name("golden_similarity.json").read_text(encoding="utf-8"))["pairs"]


def lines_of(task: str) -> list[dict]:
    classes = GOLDEN[task]["all_classes"]
    return [{**row, "all_classes": classes} for row in GOLDEN[task]["rows"]]


def test_every_set_has_golden_scores_that_are_neither_all_zero_nor_all_one():
    assert set(GOLDEN) == set(TASKS) == set(BENCHMARKS["longbench"].tasks)
    for known in GOLDEN.values():
        assert {0.0, 1.0} <= {round(row["score"], 4) for row in known["rows"]}


@pytest.mark.parametrize("task", TASKS)
def test_every_score_mean_and_bucket_is_the_published_codes(task):
    scored = score(task, lines_of(task), {})
    assert scored.per_sample == [row["score"] for row in GOLDEN[task]["rows"]]
    assert scored.score == pytest.approx(GOLDEN[task]["plain"], abs=0.005001)
    buckets = scored.headline["buckets"]
    assert buckets == {name: pytest.approx(value, abs=0.005001) for name, value in GOLDEN[task]["buckets"].items()}


@pytest.mark.parametrize("ending", ["", "_e"])
@pytest.mark.parametrize("key", ["prediction", "pred"])
def test_a_file_in_longbenchs_own_form_is_scored_with_and_without_the_ending(tmp_path, ending, key):
    mine, output = tmp_path / "qasper.jsonl", tmp_path / "score.json"
    rows = [{key: row["prediction"], **{k: row[k] for k in ("answers", "length")}} for row in lines_of("qasper")]
    mine.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["score", "--benchmark", "longbench", "--task", f"qasper{ending}", "--predictions", str(mine)]
    assert command_line.main("eval", COMMANDS, [*words, "--output", str(output)]) == 0
    found = json.loads(output.read_text())
    assert found["score"] == pytest.approx(GOLDEN["qasper"]["plain"], abs=0.005001)
    assert found["n"] == len(found["per_sample"]) == len(rows)
    assert found["buckets"] == pytest.approx(GOLDEN["qasper"]["buckets"], abs=0.005001)


def test_lengths_fall_into_buckets_below_their_limits_and_an_empty_bucket_is_null():
    lines = [{"prediction": "x", "answers": ["x"], "length": length} for length in (0, 3999, 4000, 7999)]
    scored = score("qasper", lines, {})
    assert scored.headline["buckets"] == {"0-4k": 100.0, "4-8k": 100.0, "8k+": None}
    assert scored.metrics["samples_in_bucket"] == {"0-4k": 2, "4-8k": 2, "8k+": 0}
    assert score("qasper", [{"prediction": "x", "answers": ["x"]}], {}).headline["buckets"]["0-4k"] is None


def test_words_of_a_built_sample_count_and_not_its_tokens():
    row = {"prediction": "x", "answers": ["x"], "length": 512, "words": 9000}
    assert score("qasper", [row], {}).headline["buckets"] == {"0-4k": None, "4-8k": None, "8k+": 100.0}


@pytest.mark.parametrize("task", TASKS)
@given(
    prediction=st.one_of(
        st.text(max_size=300),
        st.sampled_from(["", " ", "\n", "\n\n\n", ".", "..", "\x00", "\ud800"]),
        st.text("\n .a1"),
    )
)
def test_no_prediction_breaks_a_metric(task, prediction):
    answer = "Paragraph 3" if task == "passage_retrieval_en" else "a 3"
    [value] = score(task, [{"prediction": prediction, "answers": [answer], "all_classes": ["a 3", "a"]}], {}).per_sample
    assert 0 <= value <= 1
    assert not math.isnan(value)


def test_a_very_long_prediction_without_a_full_stop_counts_as_published_whoever_calls():
    within, beyond = "none " + "word " * 900, "none " + "word " * 1200

    def from_depth(depth: int, prediction: str) -> float:
        return from_depth(depth - 1, prediction) if depth else rouge_l(prediction, "none other other other")

    assert rouge_l(within, "none other other other") == from_depth(300, within) > 0
    assert rouge_l(beyond, "none other other other") == from_depth(300, beyond) == 0


def test_a_class_within_the_right_one_does_not_count_and_the_one_after_it_is_skipped():
    classes = ["Number", "Number of", "Number of things", "Person"]
    assert classification("Number of things", "Number of things", classes[::2]) == 1
    # Both parts of the right name are found, and only the first is taken off: two names remain.
    assert classification("Number of things", "Number of things", classes) == 0.5
    assert classification("Person", "Number of things", classes) == 0


def test_code_similarity_is_that_of_levenshtein_unless_the_settings_say_difflib():
    # difflib takes the block "b" and then nothing; the longest common subsequence is "cb".
    one, other = "bcb", "cab"
    assert round(100 * SequenceMatcher(None, one, other).ratio()) == 33
    assert code_similarity(f"\n# comment\n{one}\nmore", other) == 0.67
    assert code_similarity(f"\n# comment\n{one}\nmore", other, "difflib") == 0.33
    assert code_similarity("", "") == code_similarity("", "", "difflib") == 1


@pytest.mark.parametrize("similarity", ["levenshtein", "difflib"])
def test_both_similarities_are_fuzzywuzzys_own(similarity):
    assert any(pair["levenshtein"] != pair["difflib"] for pair in SIMILARITIES)
    for pair in SIMILARITIES:
        assert code_similarity(pair["prediction"], pair["answer"], similarity) == pair[similarity]


@pytest.mark.parametrize("similarity", ["levenshtein", "difflib"])
def test_a_score_of_code_names_its_similarity(tmp_path, similarity):
    mine, output = tmp_path / "lcc.jsonl", tmp_path / "score.json"
    mine.write_text(json.dumps({"prediction": "bcb", "answers": ["cab"]}) + "\n")
    words = ["score", "--benchmark", "longbench", "--task", "lcc", "--predictions", str(mine), "--output", str(output)]
    settings = json.dumps({"code_similarity": similarity})
    assert command_line.main("eval", COMMANDS, [*words, "--settings", settings]) == 0
    written = json.loads(output.read_text())
    assert written["score"] == {"levenshtein": 67.0, "difflib": 33.0}[similarity]
    assert written["scoring"] == {"code_similarity": similarity}
    assert written["labels"] == {"code_similarity": SIMILARITY_NAMES[similarity]}
    assert "labels" not in score("qasper", [{"prediction": "x", "answers": ["x"]}], {}).headline


def test_settings_of_a_scorer_that_has_none_are_refused(tmp_path, capsys):
    mine = tmp_path / "mine.jsonl"
    mine.write_text(json.dumps({"prediction": "bcb", "answers": ["cab"]}) + "\n")
    words = [
        "score",
        "--benchmark",
        "ruler",
        "--task",
        "vt",
        "--predictions",
        str(mine),
        "--output",
        str(tmp_path / "s"),
    ]
    assert command_line.main("eval", COMMANDS, [*words, "--settings", '{"code_similarity": "difflib"}']) == 2
    assert "ruler is scored in one way only" in capsys.readouterr().err


def test_trec_without_classes_and_retrieval_without_a_paragraph_are_told():
    with pytest.raises(InputError, match="all_classes"):
        score("trec_e", [{"prediction": "x", "answers": ["x"]}], {})
    with pytest.raises(InputError, match="Paragraph 7"):
        score("passage_retrieval_en", [{"prediction": "x", "answers": ["7"]}], {})
    with pytest.raises(InputError, match="unknown; choose one of"):
        score("narrativeqa", [], {})


def test_musique_is_the_one_set_without_an_e_edition():
    assert WITHOUT_E_EDITION == ("musique",)
