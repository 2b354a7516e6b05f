import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from contracts.errors import InputError
from eval.backends import models
from eval.backends.models import choose_device, load_model, token_losses

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(model_folder):
    return load_model(model_folder, CPU)


@pytest.fixture(scope="module")
def ids():
    return torch.randint(3, 512, (200,), generator=torch.Generator().manual_seed(3)).tolist()


def test_losses_equal_transformers_own_loss(model_folder, model, ids):
    oracle = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    rows = torch.tensor([ids])
    with torch.no_grad():
        expected = oracle(rows, labels=rows).loss.item()
        logits = oracle(rows).logits[0]
    losses = token_losses(model, ids)
    assert losses.shape == (199,)
    assert losses.mean().item() == pytest.approx(expected, rel=1e-5)
    by_hand = [-logits[t - 1].log_softmax(-1)[ids[t]].item() for t in (1, 57, 199)]
    assert [losses[t - 1].item() for t in (1, 57, 199)] == pytest.approx(by_hand, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("positions", [1, 7, 198, 199, 512])
def test_the_size_of_the_heads_chunks_changes_nothing(model, ids, monkeypatch, positions):
    expected = token_losses(model, ids)
    monkeypatch.setattr(models, "HEAD_POSITIONS", positions)
    torch.testing.assert_close(token_losses(model, ids), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("first", [1, 2, 100, 199])
def test_losses_from_a_position_on_are_the_tail_of_all_losses(model, ids, first):
    torch.testing.assert_close(token_losses(model, ids, first), token_losses(model, ids)[first - 1 :])


def test_a_model_whose_logits_are_capped_is_refused(model_folder, tmp_path):
    for file in model_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text()) | {"final_logit_softcapping": 30.0}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="final_logit_softcapping"):
        load_model(tmp_path, CPU)


def test_a_folder_that_is_no_model_is_told_in_one_line(tmp_path):
    with pytest.raises(InputError, match="model folder"):
        load_model(tmp_path / "absent", CPU)
    with pytest.raises(InputError, match="export it again"):
        load_model(tmp_path, CPU)


def test_a_gpu_that_is_absent_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == "cpu"
    with pytest.raises(InputError, match="--device cpu"):
        choose_device("cuda")
