"""Attention and LongPPL as detectors: their numbers are transformers' and LongPPL's own."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from eval.backends.models import load_model
from eval.benchmarks.hops.build import build
from eval.benchmarks.hops.labelled_rows import IGNORED
from eval.benchmarks.hops.score import score
from eval.benchmarks.longppl.build import key_tokens
from eval.detection import attention, longppl
from eval.detection.settings import LongPPLDetection


@pytest.fixture(scope="module")
def rows(context_of):
    return build(context_of("hops", "3hop", 480, {"samples": 2, "emojis": 2})).rows


def test_attention_scores_are_the_mean_of_eager_attention(rows, model_folder):
    detect = attention.opened(str(model_folder), "cpu", None)
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32, attn_implementation="eager")
    for row in rows:
        found = detect(row)
        with torch.no_grad():
            weights = model(torch.tensor([row["input_ids"]]), output_attentions=True).attentions
        predicting = [place - 1 for place, label in enumerate(row["labels"]) if label != IGNORED]
        expected = torch.stack([layer[0, :, predicting] for layer in weights]).mean((0, 1, 2))
        torch.testing.assert_close(torch.tensor(found["token_scores"]), expected, rtol=1e-4, atol=1e-6)
        assert sum(found["token_scores"]) == pytest.approx(1.0, abs=1e-4)
        assert found["critical"] == [int(value >= expected.mean()) for value in found["token_scores"]]
        assert 0 < sum(found["critical"]) < len(row["input_ids"])


def test_a_row_gets_what_it_gets_alone(rows, model_folder):
    detect = attention.opened(str(model_folder), "cpu", None)
    together = [detect(row) for row in rows]
    assert together[1] == attention.opened(str(model_folder), "cpu", None)(rows[1])


def test_longppl_finds_the_key_tokens_of_longppl(rows, model_folder):
    options = LongPPLDetection(window=100, stride=37, alpha=0.05, beta=-9.0)
    detect = longppl.opened(str(model_folder), "cpu", options)
    model = load_model(model_folder, torch.device("cpu"))
    found_any = False
    for row in rows:
        found = detect(row)
        keys = key_tokens(model, row["input_ids"], options)
        assert [place for place, value in enumerate(found["critical"]) if value] == keys
        assert len(found["token_scores"]) == len(row["input_ids"])
        assert set(found["token_scores"][:100]) == {0.0}
        found_any |= bool(keys)
    assert found_any


def test_the_window_of_longppl_is_half_a_short_row(rows, model_folder):
    assert longppl.window_and_stride(10_000, 4096, 1024) == (4096, 1024)
    assert longppl.window_and_stride(400, 4096, 1024) == (200, 50)
    assert longppl.window_and_stride(1, 4096, 1024) == (1, 1)
    found = longppl.opened(str(model_folder), "cpu", LongPPLDetection())(rows[0])
    half = len(rows[0]["input_ids"]) // 2
    assert set(found["token_scores"][:half]) == {0.0}
    assert any(found["token_scores"][half:])


def test_their_predictions_are_scored_like_gradients(rows, model_folder):
    detect = attention.opened(str(model_folder), "cpu", None)
    merged = [{"id": str(number), **row, **json.loads(json.dumps(detect(row)))} for number, row in enumerate(rows)]
    scored = score("3hop", merged, {"top": 30})
    assert 0 <= scored.score <= 100
    assert sum(scored.metrics["top_precision"].values()) == pytest.approx(1.0)
    as_gradients = [
        {**row, "grad_norm": row["token_scores"], "noise": [1 - value for value in row["critical"]]} for row in merged
    ]
    for row in as_gradients:
        del row["token_scores"]
    assert score("3hop", as_gradients, {"top": 30}).metrics == scored.metrics
