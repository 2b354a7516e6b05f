"""Right answers are those of transformers' own greedy generation; controls change the answer and nothing else."""

import json

import pytest
import torch

from contracts.errors import InputError
from eval.analysis.answers import answered, judged_predictions, shuffled_rows, with_answer
from eval.benchmarks.hops.labelled_rows import IGNORED
from tests.eval.analysis.models import labelled_row, tiny_model


def answering_row(seed: int, answer: list[int] | None = None) -> dict:
    row = {**labelled_row(seed=seed), "id": f"row-{seed}", "answer": f"place {seed}"}
    row["labels"][10] = IGNORED
    return with_answer(row, answer) if answer else row


def greedy_answer(model, row, count=4):
    prompt = torch.tensor([row["input_ids"][:-count]])
    model.generation_config.eos_token_id = None
    options = {"max_new_tokens": count, "do_sample": False, "pad_token_id": 0}
    written = model.generate(prompt, attention_mask=torch.ones_like(prompt), **options)
    return written[0, -count:].tolist()


def test_an_answer_is_right_where_greedy_generation_writes_it():
    model = tiny_model()
    row = answering_row(1)
    written = greedy_answer(model, row)
    assert answered(model, with_answer(row, written))["right"] is True
    for place in range(4):
        other = [*written[:place], (written[place] + 1) % 61, *written[place + 1 :]]
        assert answered(model, with_answer(row, other))["right"] is False


def test_the_loss_is_transformers_own():
    model, row = tiny_model(), answering_row(1)
    expected = model(torch.tensor([row["input_ids"]]), labels=torch.tensor([row["labels"]])).loss
    assert answered(model, row)["loss"] == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("control", ["other_row", "permuted"])
def test_a_control_row_has_another_answer_after_the_same_text(control):
    rows = [answering_row(seed) for seed in (1, 2, 3)]
    answers = [row["input_ids"][-4:] for row in rows]
    for row, changed in zip(rows, shuffled_rows(rows, control, seed=0), strict=True):
        assert changed["input_ids"][:-4] == row["input_ids"][:-4]
        assert changed["input_ids"][-4:] == changed["labels"][-4:] != row["labels"][-4:]
        assert changed["spans"] == row["spans"]
        if control == "permuted":
            assert sorted(changed["labels"][-4:]) == sorted(row["labels"][-4:])
        else:
            assert changed["labels"][-4:] in answers


def test_an_answer_of_another_length_moves_the_end_of_the_row_alone():
    changed = with_answer(answering_row(1), [7, 8])
    assert len(changed["input_ids"]) == len(changed["labels"]) == changed["spans"][-1]["end"] == 38


def test_controls_that_cannot_be_made_are_refused():
    same = [answering_row(seed, [1, 2]) for seed in (1, 2)]
    with pytest.raises(InputError, match="give more rows"):
        shuffled_rows(same, "other_row", seed=0)
    with pytest.raises(InputError, match=r"set analysis\.control to other_row"):
        shuffled_rows([answering_row(1, [5, 5])], "permuted", seed=0)
    with pytest.raises(InputError, match="not its last ones"):
        shuffled_rows([{**labelled_row(), "id": "labelled in between"}] * 2, "other_row", seed=0)


def test_predictions_of_somebody_else_are_compared_by_words(tmp_path):
    rows = [answering_row(seed) for seed in (1, 2)]
    path = tmp_path / "predictions.jsonl"
    lines = [{"samples_sha256": "a header"}, {"id": "row-1", "prediction": " Place 1."}]
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"id": "row-2", "prediction": "place 3"}]))
    assert judged_predictions(path, rows) == [{"right": True}, {"right": False}]
    path.write_text(json.dumps(lines[1]) + "\n")
    with pytest.raises(InputError, match="no text 'prediction' for 1 rows, the first row-2"):
        judged_predictions(path, rows)
