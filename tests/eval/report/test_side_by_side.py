"""Samples side by side are those that were scored, with every model's own words, and texts stay texts."""

import json
import shutil

import pytest

from contracts.fingerprint import sha256_file
from eval.report.side_by_side import read_exhibits, side_by_side_section

EVIL = "</table><script>alert(1)</script>"


def write_run(folder, models: dict[str, list[str]], *, benchmark="stories", task="1hop") -> list[str]:
    """A run's samples and, for each model, what it said to them and its scores; the paths of the scores."""
    samples = folder / "samples" / benchmark / task / "256.jsonl"
    samples.parent.mkdir(parents=True)
    rows = [
        {"id": f"s{n}", "input": f"text {n}.\nWhere is {n}? {EVIL}", "context": [0, 7], "question": "?"}
        | {"answers": ["attic", EVIL]}
        for n in range(3)
    ]
    samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    paths = []
    for model, said in models.items():
        cell = folder / "eval" / model / "dense" / benchmark / task / "256"
        cell.mkdir(parents=True)
        lines = [{"samples_sha256": "x"}, *({"id": f"s{n}", "prediction": text} for n, text in enumerate(said))]
        (cell / "predictions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        score = {"benchmark": benchmark, "task": task, "length": 256, "model": model, "metrics": {}}
        score |= {"rows": [{"id": f"s{n}"} for n in range(3)], "per_sample": [float("attic" in text) for text in said]}
        hashes = {"samples_sha256": sha256_file(samples), "predictions_sha256": sha256_file(cell / "predictions.jsonl")}
        (cell / "score.json").write_text(json.dumps(score | {"hashes": hashes}))
        paths.append(str(cell / "score.json"))
    return paths


@pytest.fixture
def paths(tmp_path):
    return write_run(tmp_path, {"base": ["attic", "cellar", "x"], f"cdt {EVIL}"[:3]: ["attic", f"attic {EVIL}", "y"]})


def test_the_sample_on_which_the_models_differ_most_is_shown_with_all_answers(paths):
    (shown,) = read_exhibits(paths)
    assert (shown.id, shown.answers) == ("s1", ("attic", EVIL))
    assert shown.told == (("base", "cellar", 0.0), ("cdt", f"attic {EVIL}", 1.0))
    assert shown.question == f"Where is 1? {EVIL}"


def test_texts_are_escaped(paths):
    html = side_by_side_section(read_exhibits(paths))
    assert "<script" not in html
    assert html.count("</table>") == 1
    assert html.count("&lt;script&gt;") == 3
    assert side_by_side_section([]) == ""


def test_files_that_are_not_those_that_were_scored_are_left_out(paths, tmp_path):
    (tmp_path / "eval/cdt/dense/stories/1hop/256/predictions.jsonl").write_text('{"id": "s1", "prediction": "other"}\n')
    (shown,) = read_exhibits(paths)
    assert [column for column, _, _ in shown.told] == ["base"]
    (tmp_path / "samples/stories/1hop/256.jsonl").write_text("{}\n")
    assert read_exhibits(paths) == []


def test_the_second_name_of_predictions_serves_where_the_first_was_deleted(paths, tmp_path):
    first = tmp_path / "eval/base/dense/stories/1hop/256/predictions.jsonl"
    shutil.move(first, first.with_name("predictions.jsonl.kept"))
    assert len(read_exhibits(paths)[0].told) == 2


def test_long_texts_say_how_much_is_left_out(tmp_path):
    (shown,) = read_exhibits(write_run(tmp_path, {"a": ["attic " + "z" * 1000] * 3}))
    assert shown.told[0][1].endswith("… (406 characters more)")


def test_scores_without_words_have_no_exhibit(tmp_path):
    assert read_exhibits(write_run(tmp_path, {"a": ["x"] * 3}, benchmark="perplexity", task="books")) == []


def test_a_score_of_a_task_that_is_no_longer_there_has_no_exhibit(tmp_path):
    assert read_exhibits(write_run(tmp_path, {"a": ["x"] * 3}, benchmark="gone", task="gone")) == []
