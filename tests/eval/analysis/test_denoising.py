"""Manual denoising follows Eq. 2 and 3, measures what transformers measures, and its controls are what they say."""

import json

import numpy as np
import pytest
import torch

from contracts import command_line
from eval.__main__ import COMMANDS
from eval.analysis.denoising import (
    below_mean,
    denoised,
    directions,
    measured,
    moved_embeddings,
    slopes_of,
)
from eval.analysis.denoising_settings import DIRECTIONS, DenoisingSettings
from eval.analysis.embedding_gradient import embedding_gradient, opened, row_embeddings
from eval.benchmarks.hops.labelled_rows import IGNORED
from tests.eval.analysis.models import CLASSES, labelled_row, tiny_model


def answered_row(seed: int = 5) -> dict:
    """A row whose answer comes last, as hops has them."""
    row = labelled_row(seed=seed)
    row["labels"][10] = IGNORED
    return {"id": f"row-{seed}", **row}


def wrong_row() -> dict:
    """The row with an answer that is longer than its own."""
    row = answered_row()
    answer = [7, 3, 9, 1, 4]
    ids = [*row["input_ids"][:-4], *answer]
    return {**row, "input_ids": ids, "labels": [IGNORED] * (len(ids) - 5) + answer}


def shifts_of(model, moved: str = "prompt"):
    row = answered_row()
    slopes = slopes_of(model, row, wrong_row(), opened(model, None), DenoisingSettings(moved=moved))
    return row, slopes, directions(slopes, np.random.default_rng(0))


def moved_tokens(shift_ND) -> torch.Tensor:
    return (shift_ND != 0).any(-1)


def with_exact_norms(model):
    """transformers takes the norms in float32 whatever the model's precision is; these are torch's, in float64."""
    for parent in list(model.modules()):
        for name, norm in list(parent.named_children()):
            if type(norm).__name__.endswith("RMSNorm"):
                exact = torch.nn.RMSNorm(len(norm.weight), norm.variance_epsilon, dtype=torch.float64)
                exact.weight.data.copy_(norm.weight)
                setattr(parent, name, exact.requires_grad_(False))
    return model


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_step_of_nothing_changes_no_bit(dtype):
    model = tiny_model(dtype=dtype)
    row, _, shifts = shifts_of(model)
    embeddings = row_embeddings(model, row["input_ids"])
    embeddings[3, 4] = -0.0
    for shift in shifts.values():
        moved = moved_embeddings(embeddings, shift, 0.0)
        assert moved.dtype == dtype
        assert moved.view(torch.uint8).equal(embeddings.view(torch.uint8))


def test_tokens_below_the_mean_move_against_their_gradient_and_no_others():
    model = tiny_model()
    row, slopes, shifts = shifts_of(model, "all")
    embeddings = row_embeddings(model, row["input_ids"])
    gradient = embedding_gradient(model, embeddings, row["labels"])[1]
    norms = gradient.norm(dim=-1)
    moved = moved_embeddings(embeddings, shifts["noise"], 0.5)
    # Eq. 2 and 3, token by token.
    for token in range(len(norms)):
        noise = float(norms[token]) < float(norms.sum()) / len(norms)
        expected = embeddings[token] - 0.5 * gradient[token] if noise else embeddings[token]
        torch.testing.assert_close(moved[token], expected, rtol=1e-12, atol=0)
    assert slopes.noise_N.tolist() == [bool(norm < norms.mean()) for norm in norms]
    assert not below_mean(torch.ones(3)).any()  # a token at the mean is critical


@pytest.mark.parametrize("kind", CLASSES)
def test_a_small_step_lowers_the_loss_by_the_squared_norms_of_the_noise(kind):
    model = with_exact_norms(tiny_model(kind))
    row, _, shifts = shifts_of(model)
    embeddings = row_embeddings(model, row["input_ids"])
    before, step = measured(model, embeddings, row)["loss"], 1e-8
    slope = float(shifts["noise"].square().sum())
    for name, sign in (("noise", -1), ("ascent", 1)):
        after = measured(model, moved_embeddings(embeddings, shifts[name], step), row)["loss"]
        assert after - before == pytest.approx(sign * step * slope, rel=1e-3)


@pytest.mark.parametrize("kind", CLASSES)
def test_attention_and_loss_are_those_of_eager_transformers(kind):
    row = answered_row()
    model = tiny_model(kind)
    found = measured(model, row_embeddings(model, row["input_ids"]), row)
    labels = torch.tensor([row["labels"]])
    with torch.no_grad():
        output = tiny_model(kind, "eager")(torch.tensor([row["input_ids"]]), labels=labels, output_attentions=True)
    predicting = [place - 1 for place, label in enumerate(row["labels"]) if label != IGNORED]
    weights = torch.cat(output.attentions)[:, :, predicting].mean((0, 1, 2))
    for name in ("supporting", "interference", "irrelevant", "emoji", "question", "answer"):
        places = [p for span in row["spans"] if span["kind"] == name for p in range(span["start"], span["end"])]
        assert found[f"attention.{name}"] == pytest.approx(float(weights[places].sum()), rel=1e-6)
    assert sum(value for name, value in found.items() if name.startswith("attention.")) == pytest.approx(1.0)
    assert found["loss"] == pytest.approx(float(output.loss), rel=1e-6)
    hits = output.logits[0, predicting].argmax(-1) == labels[0, [place + 1 for place in predicting]]
    assert found["token_accuracy"] == pytest.approx(float(hits.double().mean()))
    assert found["right"] == float(hits.all())


def test_an_answer_is_right_where_every_token_is_the_likeliest():
    model, row = tiny_model(), answered_row()
    ids = row["input_ids"][:-4]
    for _ in range(4):
        ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    greedy = {**row, "input_ids": ids, "labels": [IGNORED] * (len(ids) - 4) + ids[-4:]}
    assert measured(model, row_embeddings(model, ids), greedy)["right"] == 1.0
    ids[-3] = (ids[-3] + 1) % 61
    wrong = {**greedy, "input_ids": ids, "labels": [IGNORED] * (len(ids) - 4) + ids[-4:]}
    assert measured(model, row_embeddings(model, ids), wrong)["right"] == 0.0


def test_every_control_has_the_number_and_the_norm_that_it_states():
    _, slopes, shifts = shifts_of(tiny_model())
    assert list(shifts) == list(DIRECTIONS)
    noise, count = shifts["noise"], len(slopes.noise_N) - 4
    counts = {name: int(moved_tokens(shift).sum()) for name, shift in shifts.items()}
    assert 0 < counts["noise"] < count
    assert counts["critical"] == counts["critical_matched"] == count - counts["noise"]
    assert counts["random_tokens"] == counts["random_tokens_matched"] == counts["noise"]
    assert moved_tokens(shifts["random_direction"]).equal(moved_tokens(noise))
    for name in ("critical_matched", "random_tokens_matched", "random_direction", "shuffled_labels", "ascent"):
        assert float(shifts[name].norm()) == pytest.approx(float(noise.norm()), rel=1e-12)
    torch.testing.assert_close(shifts["random_direction"].norm(dim=-1), noise.norm(dim=-1), rtol=1e-12, atol=0)
    assert float((shifts["random_direction"] * noise).sum()) < 0.9 * float(noise.square().sum())
    assert shifts["ascent"].equal(-noise)
    assert float(shifts["random_tokens"].norm()) > float(noise.norm())


def test_the_oracle_moves_all_but_the_facts_as_the_scripts_do():
    model = tiny_model()
    row, slopes, shifts = shifts_of(model, "all")
    facts = {
        place
        for span in row["spans"]
        if span["kind"] in ("supporting", "interference")
        for place in range(span["start"], span["end"])
    }
    expected = -slopes.gradient_ND
    expected[sorted(facts)] = 0.0
    torch.testing.assert_close(shifts["oracle"], expected, rtol=0, atol=0)
    assert facts


def test_shuffled_labels_shift_by_the_gradient_of_another_answer():
    model = tiny_model()
    row, _, shifts = shifts_of(model)
    wrong, start = wrong_row(), len(row["input_ids"]) - 4
    gradient = embedding_gradient(model, row_embeddings(model, wrong["input_ids"]), wrong["labels"])[1]
    expected = torch.where((gradient.norm(dim=-1) < gradient.norm(dim=-1).mean())[:, None], -gradient, 0.0)[:start]
    cosine = torch.nn.functional.cosine_similarity(
        shifts["shuffled_labels"][:start].flatten(), expected.flatten(), dim=0
    )
    assert float(cosine) == pytest.approx(1.0, abs=1e-6)
    assert not shifts["shuffled_labels"][start:].any()


def test_another_instrument_may_tell_what_is_noise():
    model, row = tiny_model(), answered_row()
    scores = torch.arange(len(row["input_ids"]), dtype=torch.float64)
    slopes = slopes_of(model, row, wrong_row(), lambda row: scores[: len(row["input_ids"])], DenoisingSettings())
    assert slopes.noise_N.nonzero().flatten().tolist() == list(range(20))
    shift = directions(slopes, np.random.default_rng(0))["noise"]
    torch.testing.assert_close(shift[:20], -slopes.gradient_ND[:20], rtol=0, atol=0)
    assert not shift[20:].any()


def test_other_questions_get_the_shift_of_the_text_alone():
    model, row = tiny_model(), answered_row()
    other = answered_row()
    other["input_ids"][28:] = [5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
    other["labels"][-4:] = other["input_ids"][-4:]
    other["shared_tokens"] = 27
    options = DenoisingSettings(steps=(2.0,), directions=("noise",))
    line = denoised(model, row, wrong_row(), [other], lambda row: opened(model, None)(row), options)
    _, _, shifts = shifts_of(model)
    embeddings = row_embeddings(model, other["input_ids"])
    assert line["before"]["other.loss"] == measured(model, embeddings, other)["loss"]
    embeddings[:27] = embeddings[:27] + 2.0 * shifts["noise"][:27]
    assert line["after"]["noise"][0]["other.loss"] == pytest.approx(measured(model, embeddings, other)["loss"])
    assert line["after"]["noise"][0]["moved_tokens"] == int(moved_tokens(shifts["noise"]).sum())


def run(*words) -> int:
    return command_line.main("eval", COMMANDS, [str(word) for word in words])


@pytest.fixture(scope="module")
def samples(tmp_path_factory, tokenizer_folder, books_folder):
    path = tmp_path_factory.mktemp("samples") / "2hop" / "400.jsonl"
    settings = {"lengths": [400], "benchmarks": {"hops": {"samples": 3, "emojis": 2, "stories": "own"}}}
    words = ("--benchmark", "hops", "--task", "2hop", "--length", 400, "--tokenizer", tokenizer_folder)
    data = ("--data", f"books={books_folder}", "--settings", json.dumps(settings))
    assert run("build", *words, *data, "--output", path) == 0
    return path


OPTIONS = json.dumps({"steps": [0.0, 1.0], "directions": ["noise", "shuffled_labels"], "other_questions": 1})


def test_the_command_writes_means_and_goes_on_where_it_was_stopped(samples, model_folder, tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    words = ("denoise", "--model", model_folder, "--samples", samples, "--settings", OPTIONS, "--device", "cpu")
    assert run(*words, "--output", whole) == 0
    lines = (whole / "rows.jsonl").read_bytes().splitlines(keepends=True)
    resumed.mkdir()
    (resumed / "rows.jsonl.partial").write_bytes(b"".join(lines[:2]) + lines[2][:40])
    assert run(*words, "--output", resumed) == 0
    for name in ("rows.jsonl", "denoising.json", "denoising.csv", "manifest.json"):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes()
    found = json.loads((whole / "denoising.json").read_text())
    still = [record for record in found["records"] if record["step"] == 0.0]
    assert still
    assert all(record["change"] == record["low"] == record["high"] == 0.0 for record in still)
    (loss,) = [
        record
        for record in found["records"]
        if (record["direction"], record["step"], record["measure"]) == ("noise", 1.0, "loss")
    ]
    rows = [json.loads(line) for line in lines[1:]]
    changes = [row["after"]["noise"][1]["loss"] - row["before"]["loss"] for row in rows]
    assert loss["change"] == pytest.approx(sum(changes) / 3)
    assert loss["low"] <= loss["change"] <= loss["high"]
    assert loss["fell"] == sum(change < 0 for change in changes) / 3
    assert loss["rows"] == 3


def test_other_samples_and_one_answer_for_all_are_refused_in_one_line(samples, model_folder, tmp_path, capsys):
    words = ("denoise", "--model", model_folder, "--output", tmp_path / "out")
    assert run(*words, "--samples", tmp_path / "absent.jsonl") == 2
    assert run(*words, "--samples", samples, "--settings", '{"step": [1]}') == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert "did you mean steps?" in told[1]
