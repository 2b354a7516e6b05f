"""Predictions from anywhere: scored by the benchmark's metric, with no samples file."""

import json

import pytest

from contracts import command_line
from eval.__main__ import COMMANDS


@pytest.fixture
def score(tmp_path):
    def run(text: str, *words: str) -> tuple[int, dict | None]:
        predictions, output = tmp_path / "mine.jsonl", tmp_path / "score.json"
        predictions.write_text(text)
        words = words or ("--benchmark", "ruler", "--task", "vt")
        code = command_line.main(
            "eval", COMMANDS, ["score", *words, "--predictions", str(predictions), "--output", str(output)]
        )
        return code, json.loads(output.read_text()) if output.exists() else None

    return run


def lines(*values: dict) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def test_a_line_with_its_answers_is_enough(score):
    code, found = score(
        lines({"prediction": "AB and CD", "answers": ["ab", "xy"]}, {"prediction": "", "answers": ["z"]})
    )
    assert code == 0
    assert (found["score"], found["n"], found["per_sample"]) == (25.0, 2, [0.5, 0.0])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds no prediction"),
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
        (("--benchmark", "ruler", "--task", "no such task"), "niah_single_1"),
        (("--benchmark", "perplexity", "--task", "books"), "--samples"),
    ],
)
def test_what_cannot_be_scored_alone_is_refused(words, complaint, score, capsys):
    assert score(lines({"prediction": "a", "answers": ["a"]}), *words) == (2, None)
    assert complaint in capsys.readouterr().err
