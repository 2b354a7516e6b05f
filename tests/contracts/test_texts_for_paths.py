"""A text where a path is expected ends in one line with the cure, however long it is, in every room."""

import pytest

from contracts import command_line
from contracts.chat_template import template_text
from contracts.errors import InputError
from data_prep.__main__ import COMMANDS as DATA_PREP
from eval.__main__ import COMMANDS as EVAL
from megatron_cdt.__main__ import COMMANDS as TRAINER

TEMPLATE = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
LONG = TEMPLATE * 9
BUILD = ["build", "--benchmark", "nq", "--task", "nq", "--length", "900"]
TOKENIZE = ["tokenize", "--split", "train", "--tokenizer", "t.model", "--output", "o"]


def complaint(capsys, program: str, commands: dict, words: list[str]) -> str:
    assert command_line.main(program, commands, [str(word) for word in words]) == 2
    # The engine's own warnings come before.
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(line) < 400
    return line


@pytest.mark.parametrize("text", [TEMPLATE, LONG])
def test_the_text_of_a_template_is_told_from_a_path(text, tmp_path):
    with pytest.raises(InputError, match="is a template's text; write it to a file") as error:
        template_text(text, tmp_path)
    assert len(str(error.value)) < 200
    (tmp_path / "chat.jinja").write_text(text)
    assert template_text(str(tmp_path / "chat.jinja"), tmp_path) == text


@pytest.mark.parametrize(
    ("program", "commands", "words"),
    [
        ("eval", EVAL, [*BUILD, "--tokenizer", LONG, "--output", "o"]),
        ("eval", EVAL, [*BUILD, "--tokenizer", "t.model", "--settings", LONG.strip("{"), "--output", "o"]),
        ("eval", EVAL, ["score", "--samples", LONG, "--predictions", "p", "--output", "o"]),
        ("eval", EVAL, ["score", "--benchmark", "nq", "--task", "nq", "--predictions", LONG, "--output", "o"]),
        ("eval", EVAL, ["generate", "--model", "m", "--samples", LONG, "--output", "o"]),
        ("eval", EVAL, ["aggregate", "--scores", LONG, "--output", "o"]),
        ("eval", EVAL, ["report", "--run-name", "r", "--scores", LONG, "--output", "o.html"]),
        ("eval", EVAL, ["report", "--run-name", "r", "--metrics", f"ce={LONG}", "--output", "o.html"]),
        ("data_prep", DATA_PREP, [*TOKENIZE, "--corpus", LONG.strip("{"), "--settings", "{}"]),
        ("data_prep", DATA_PREP, ["inspect", LONG]),
        (
            "megatron_cdt",
            TRAINER,
            ["detect", "--model", LONG, "--data", "d", "--lr", "1e-5", "--beta", "5", "--output", "o"],
        ),
    ],
)
def test_a_long_text_where_a_file_is_expected_ends_in_one_line(capsys, program, commands, words):
    complaint(capsys, program, commands, words)
