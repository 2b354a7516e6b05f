"""Attention maps are transformers' eager attention, pooled by chunk."""

import json

import numpy as np
import pytest
import torch

from contracts import command_line
from contracts.errors import InputError
from eval.__main__ import COMMANDS
from eval.analysis import attention_maps
from eval.analysis.attention_maps import attention_map, chosen_layer, chunks_of, question_on
from tests.eval.analysis.models import CLASSES, tiny_model
from tests.eval.analysis.test_denoising import answered_row


@pytest.mark.parametrize("block", [1, 7, 256])
@pytest.mark.parametrize("kind", CLASSES)
def test_a_map_is_eager_attention_pooled_by_chunk(kind, block, monkeypatch):
    monkeypatch.setattr(attention_maps, "QUERY_BLOCK", block)
    row, layer = answered_row(), 2
    chunks = chunks_of(row, 6)
    found = attention_map(tiny_model(kind), row, layer, chunks)
    ids = torch.tensor([row["input_ids"][: chunks[-1].end]])
    with torch.no_grad():
        weights = tiny_model(kind, "eager")(ids, output_attentions=True).attentions[layer][0].mean(0)
    for query, rows in enumerate(chunks):
        for key, columns in enumerate(chunks):
            expected = float(weights[rows.start : rows.end, columns.start : columns.end].sum(1).mean())
            assert found[query, key] == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert np.allclose(found.sum(1), 1.0)
    assert not np.triu(found, 1).any()


def test_chunks_are_equal_parts_of_the_text_and_then_the_question():
    row = answered_row()
    chunks = chunks_of(row, 6)
    assert [(chunk.start, chunk.end) for chunk in chunks] == [(0, 5), (5, 10), (10, 16), (16, 21), (21, 27), (27, 36)]
    assert [chunk.kind for chunk in chunks] == [
        "",
        "supporting",
        "interference",
        "interference",
        "supporting",
        "question",
    ]
    assert question_on("supporting", np.full((6, 6), 0.25), chunks) == 0.5
    with pytest.raises(InputError, match="too few for 40 chunks"):
        chunks_of(row, 40)


def test_the_layer_is_as_deep_as_the_papers_where_none_is_named():
    model = tiny_model()
    assert chosen_layer(model, None) == 2
    assert chosen_layer(model, 0) == 0
    with pytest.raises(InputError, match="layers 0 to 2"):
        chosen_layer(model, 3)


def test_the_command_compares_models_on_the_same_rows(
    tmp_path, tokenizer_folder, books_folder, make_model, model_folder
):
    def run(*words) -> int:
        return command_line.main("eval", COMMANDS, [str(word) for word in words])

    samples = tmp_path / "200.jsonl"
    settings = {"lengths": [300], "benchmarks": {"hops": {"samples": 2, "emojis": 1, "stories": "own"}}}
    cell = ("--benchmark", "hops", "--task", "2hop", "--length", 300, "--tokenizer", tokenizer_folder)
    data = ("--data", f"books={books_folder}", "--settings", json.dumps(settings))
    assert run("build", *cell, *data, "--output", samples) == 0
    models = ("--models", f"before={model_folder}", f"after={make_model(seed=4)}")
    words = ("attention_maps", *models, "--samples", samples, "--rows", 2, "--chunks", 5, "--device", "cpu")
    assert run(*words, "--output", tmp_path / "a") == run(*words, "--output", tmp_path / "b") == 0
    for name in ("attention_maps.json", "attention_maps.csv", "manifest.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    found = json.loads((tmp_path / "a/attention_maps.json").read_text())
    assert [(each["model"], len(each["map"])) for each in found["maps"]] == [("before", 5)] * 2 + [("after", 5)] * 2
    assert found["maps"][0]["chunks"] == found["maps"][2]["chunks"]
    for name in ("before", "after"):
        shares = [record["value"] for record in found["question_on"] if record["model"] == name]
        assert sum(shares) == pytest.approx(1.0)
    assert run(*words, "--layer", 9, "--output", tmp_path / "c") == 2
