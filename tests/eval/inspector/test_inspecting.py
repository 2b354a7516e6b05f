"""What the page shows is what the instruments and the model say; bad input is one line."""

import json
import re

import pytest
import torch

from contracts import command_line
from contracts.errors import InputError
from contracts.tokenizer import load_tokenizer
from eval.__main__ import COMMANDS
from eval.analysis.embedding_gradient import embedding_gradient, row_embeddings
from eval.backends.models import load_model
from eval.building.context import BuildContext
from eval.inspector.inspecting import fitting_row, inspected, parts_in_units, question_row, units_of
from eval.settings import EvalSettings
from tests.copy_of_repository import REPOSITORY

BASE = REPOSITORY / "resources/base"
STORY = "It was late. Edgar got the lamp. The rain fell on the roof all night. Edgar moved to the attic. 🐢 He slept."
ASKED = (
    "Some sentences of the text above tell who took or dropped which thing and who went where. Use only those "
    "sentences.\nA thing goes wherever the person who holds it goes. Answer with the sentences that lead to the place."
    "\nQuestion: Where is the lamp?"
)
TOLD = "lamp: Edgar got the lamp. Edgar moved to the attic."


def run(*words) -> int:
    return command_line.main("eval", COMMANDS, ["inspect", *(str(word) for word in words)])


def data_of(path) -> dict:
    told = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    return json.loads(told[1])


@pytest.fixture(scope="module")
def context():
    return BuildContext("hops", "inspect", 0, load_tokenizer(BASE), EvalSettings(), tokenizer_path=str(BASE))


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("inspected")
    (folder / "story.txt").write_text(f"\ufeff{STORY}\r\n", encoding="utf-8")
    words = ("--model", BASE, "--text", folder / "story.txt", "--question", ASKED, "--answer", TOLD, "--device", "cpu")
    names = ("--instruments", "embedding_gradient", "attention")
    assert run(*words, *names, "--output", folder / "page.html") == 0
    return data_of(folder / "page.html")


def test_the_page_holds_the_text_the_scores_and_the_models_own_right_answer(shown, context):
    row = question_row(context, STORY, ASKED, TOLD)
    assert "".join(shown["units"]) == f"{STORY}\n{ASKED}\nAnswer: {TOLD}"
    assert shown["own"] == {"text": TOLD, "right": True}
    model = load_model(BASE, torch.device("cpu"))
    loss, gradient = embedding_gradient(model, row_embeddings(model, row["input_ids"]), row["labels"])
    norms = gradient.double().norm(dim=-1)
    assert shown["loss"] == pytest.approx(loss, rel=1e-2)  # float32 rounds so small a loss
    assert shown["instruments"][0]["scores"] == pytest.approx(norms.tolist(), rel=1e-4)
    assert shown["threshold"] == pytest.approx(float(norms.mean()), rel=1e-6)
    assert shown["noise_tokens"] == int((norms < norms.mean()).sum())
    assert sum(shown["instruments"][1]["scores"]) == pytest.approx(1.0, abs=1e-3)
    assert [part["kind"] for part in shown["parts"]] == ["irrelevant", "question", "answer"]
    assert shown["parts"][-1]["end"] == len(shown["units"])


def test_the_curve_begins_at_the_loss_and_has_a_line_for_the_rule_and_its_controls(shown):
    assert [line["name"] for line in shown["curve"]["lines"]] == ["noise", "critical_matched", "random_direction"]
    for line in shown["curve"]["lines"]:
        assert len(line["losses"]) == len(line["right"]) == len(shown["curve"]["steps"])
        assert line["losses"][0] == pytest.approx(shown["loss"], rel=1e-2)
    assert min(shown["curve"]["lines"][0]["losses"]) < shown["loss"]


def test_a_wrong_answer_is_shown_as_wrong(context):
    model = load_model(BASE, torch.device("cpu"))
    row = question_row(context, STORY, ASKED, "lamp: Edgar got the lamp. Edgar moved to the cellar.")
    found = inspected(model, context.tokenizer, row, ["embedding_gradient"])
    assert found["own"]["right"] is False
    assert "attic" in found["own"]["text"]


def test_bytes_of_one_character_are_one_unit(context):
    ids = context.tokenizer.encode("a 🐢🐢 b")
    units, starts = units_of(context.tokenizer, ids)
    assert "".join(units) == "a 🐢🐢 b"
    assert len(units) == len(starts) < len(ids)
    spans = [
        {"kind": "irrelevant", "start": 0, "end": len(ids) - 1},
        {"kind": "answer", "start": len(ids) - 1, "end": len(ids)},
    ]
    parts = parts_in_units(spans, starts)
    assert [part["end"] for part in parts] == [len(units) - 1, len(units)]


def test_a_text_that_is_cut_fills_the_window_and_keeps_its_beginning(context):
    long = " ".join([STORY] * 30)
    row = fitting_row(context, long, ASKED, TOLD, 512, cut=True)
    assert 500 <= len(row["input_ids"]) <= 512
    text = context.tokenizer.decode(row["input_ids"][: row["spans"][0]["end"]])
    assert long.startswith(text)
    with pytest.raises(InputError, match="add --cut"):
        fitting_row(context, long, ASKED, TOLD, 512, cut=False)
    with pytest.raises(InputError, match="leave no room"):
        fitting_row(context, STORY, ASKED * 20, TOLD, 512, cut=True)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"--answer": "  "}, "--answer is empty"),
        ({"--question": ""}, "--question is empty"),
        ({"--text": "empty.txt"}, "the text is empty"),
        ({"--text": "absent.txt"}, "no such file"),
        ({"--text": "latin.txt"}, "not UTF-8"),
        ({"--text": "long.txt"}, "add --cut"),
        ({"--model": "."}, "tokenizer"),
        ({"--output": "page.pdf"}, "must end in .html"),
    ],
)
def test_bad_input_is_one_line(changed, told, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "story.txt").write_text(STORY)
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "long.txt").write_text(STORY * 60)
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    words = {"--model": BASE, "--text": "story.txt", "--question": ASKED, "--answer": TOLD, "--output": "page.html"}
    assert run(*(word for pair in (words | changed).items() for word in pair)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert told in error
    assert not (tmp_path / "page.html").exists()
