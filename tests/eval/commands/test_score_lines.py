"""Predictions from anywhere: scored by the benchmark's metric, with no samples file."""

import json
import os

import pytest

from contracts import command_line
from eval.__main__ import COMMANDS
from eval.registry import BENCHMARKS

WRITTEN = [
    (name, task) for name, known in BENCHMARKS.items() for task in known.tasks if known.tasks[task].answer == "text"
]
# What a metric needs beside prediction and answers.
MORE = {
    "trec": {"all_classes": ["Paragraph 7", "Number"]},
    "narrativeqa": {"question": "Where is it?"},
    "msmarco": {"relevance": {"7": 2, "3": 0}},
    "asqa": {"question": "Which?", "documents": [], "qa_pairs": [{"short_answers": ["7"]}]},
    "qampari": {"question": "Which?", "documents": [], "aliases": [["Paragraph 7"]]},
}
# A label of each of bAbI's tasks that do not ask for a place.
LABELS = {"qa5": "Mary", "qa6": "yes", "qa7": "one", "qa8": "milk", "qa9": "no", "qa10": "maybe"}


@pytest.fixture
def score(tmp_path):
    def run(text: str | bytes, *words: str) -> tuple[int, dict | None]:
        predictions, output = tmp_path / "mine.jsonl", tmp_path / "score.json"
        predictions.write_bytes(text.encode() if isinstance(text, str) else text)
        words = words or ("--benchmark", "ruler", "--task", "vt")
        code = command_line.main(
            "eval", COMMANDS, ["score", *words, "--predictions", str(predictions), "--output", str(output)]
        )
        return code, json.loads(output.read_text()) if output.exists() else None

    return run


def of(benchmark: str, task: str) -> tuple[str, ...]:
    return "--benchmark", benchmark, "--task", task


def right_answer(benchmark: str, task: str) -> str:
    """An answer that the metric of the task takes for right where it is also the prediction."""
    if benchmark == "babilong":
        return LABELS.get(task, "kitchen")
    return {"quality": "B", "passage_count": "7"}.get(task, "Paragraph 7")


def lines(*values: dict) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def test_a_line_with_its_answers_is_enough(score):
    code, found = score(
        lines({"prediction": "AB and CD", "answers": ["ab", "xy"]}, {"prediction": "", "answers": ["z"]})
    )
    assert code == 0
    assert (found["score"], found["n"], found["per_sample"]) == (25.0, 2, [0.5, 0.0])


@pytest.mark.parametrize(("benchmark", "task"), WRITTEN)
def test_every_task_scores_predictions_that_hold_no_more_than_its_metric_needs(benchmark, task, score):
    answer = right_answer(benchmark, task)
    needed = MORE.get(task, {}) | ({"question": "What is it?"} if benchmark == "babilong" else {})
    code, found = score(lines({"prediction": answer, "answers": [answer], **needed}), *of(benchmark, task))
    assert code == 0
    assert found["n"] == len(found["per_sample"]) == 1
    assert found["score"] == pytest.approx(100 * found["per_sample"][0])
    # Without documents no citation can be right; the answers themselves are.
    assert found["per_sample"][0] == pytest.approx(1 / 3 if task in ("asqa", "qampari") else 1.0)
    assert set(found.get("buckets", {})) == ({"0-4k", "4-8k", "8k+"} if benchmark == "longbench" else set())


@pytest.mark.parametrize("task", MORE)
def test_what_a_metric_lacks_is_named_with_its_line(task, score, capsys):
    benchmark = "longbench" if task == "trec" else "helmet"
    whole = {"prediction": "7", "answers": ["7"], **MORE[task]}
    for key in MORE[task]:
        lacking = {name: value for name, value in whole.items() if name != key}
        for line in (lacking, {**whole, key: 3}):
            assert score(lines(whole, line), *of(benchmark, task)) == (2, None)
            error = capsys.readouterr().err
            assert "prediction 2:" in error
            assert f"'{key}'" in error
            assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("benchmark", "task", "wrong"),
    [
        ("ruler", "vt", {"answers": []}),
        ("babilong", "qa1", {"question": None}),
        ("babilong", "qa1", {"answers": ["kitchen", "garden"]}),
        ("quality", "quality", {"answers": ["no letter"]}),
        ("longbench", "passage_retrieval_en", {"answers": ["7"]}),
        ("helmet", "niah_mv", {"answers": []}),
        ("helmet", "infbench_qa", {"answers": []}),
        ("qasper", "qasper", {"answer_types": ["none", "none"]}),
    ],
)
def test_what_a_metric_cannot_take_is_named_with_its_line(benchmark, task, wrong, score, capsys):
    answer = right_answer(benchmark, task)
    line = {"prediction": answer, "answers": [answer], "question": "What?"}
    assert score(lines(line, {**line, **wrong}), *of(benchmark, task)) == (2, None)
    error = capsys.readouterr().err
    assert "prediction 2:" in error
    assert error.count("\n") == 1


def test_lengths_in_words_make_the_buckets_of_longbench(score):
    rows = [(3999, "right"), (12, "wrong"), (4000, "right"), (7999, "right"), (8000, "wrong"), (None, "right")]
    text = lines(
        *(
            {"prediction": said, "answers": ["right"], **({} if words is None else {"length": words})}
            for words, said in rows
        )
    )
    code, found = score(text, *of("longbench", "hotpotqa_e"))
    assert code == 0
    assert found["buckets"] == {"0-4k": 50.0, "4-8k": 100.0, "8k+": 0.0}
    assert found["score"] == pytest.approx(100 * 4 / 6)


@pytest.mark.parametrize("length", ['"5000"', "NaN", "Infinity", "-1", "[1]"])
def test_a_length_that_is_no_number_of_words_is_refused(length, score, capsys):
    text = '{"prediction": "a", "answers": ["a"], "length": ' + length + "}\n"
    assert score(text, *of("longbench", "qasper")) == (2, None)
    assert "'length'" in capsys.readouterr().err


def test_a_byte_order_mark_windows_line_ends_and_empty_lines_change_nothing(score):
    text = lines({"prediction": "ab", "answers": ["ab"]}, {"prediction": "", "answers": ["z"]})
    _, plain = score(text)
    code, found = score(b"\xef\xbb\xbf" + text.replace("\n", "\r\n\r\n").encode())
    assert code == 0
    assert (found["score"], found["per_sample"]) == (plain["score"], plain["per_sample"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds no prediction"),
        ("\n \n", "holds no prediction"),
        (lines({"prediction": "a", "answers": ["a"]}) + "\n{", "line 3"),
        (b'{"prediction": "caf\xe9", "answers": ["a"]}\n', "line 1"),
        (bytes(range(256)), "line 1"),
        ("[" * 100_000 + "\n", "line 1"),
        ('{"prediction": "a", "answers": ["a"], "length": ' + "9" * 5000 + "}", "line 1"),
        ("[1]\n", "line 1"),
        (lines({"prediction": ["a"], "answers": ["a"]}), "'prediction'"),
        (lines({"prediction": "a", "answers": [3]}), "'answers'"),
        (lines({"answers": ["a"]}), "line 1"),
        (lines({"prediction": "a", "answers": ["a"]}, {"prediction": "a"}), "line 2"),
        (lines({"prediction": "a", "answers": "a"}), "list"),
        ('{"prediction": "a", \n', "line 1"),
    ],
)
def test_a_line_that_lacks_something_is_named(text, complaint, score, capsys):
    assert score(text) == (2, None)
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--benchmark", "ruler"), "--samples"),
        (("--benchmark", "no such benchmark", "--task", "vt"), "choose one of perplexity, longppl, ruler"),
        (("--benchmark", "ruler", "--task", "no such task"), "niah_single_1"),
        (("--benchmark", "perplexity", "--task", "books"), "--samples"),
    ],
)
def test_what_cannot_be_scored_alone_is_refused(words, complaint, score, capsys):
    assert score(lines({"prediction": "a", "answers": ["a"]}), *words) == (2, None)
    error = capsys.readouterr().err
    assert complaint in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("place", ["folder", "file/score.json", "pipe", ""])
def test_a_place_that_cannot_be_written_ends_in_one_line_and_stays_as_it_is(place, tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text(lines({"prediction": "a", "answers": ["a"]}))
    output = str(tmp_path / place) if place else ""
    words = ["score", *of("ruler", "vt"), "--predictions", str(tmp_path / "file"), "--output", output]
    assert command_line.main("eval", COMMANDS, words) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert (tmp_path / "pipe").is_fifo()
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "file", "pipe"}
