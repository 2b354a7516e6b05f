"""`detect` against a plain autograd computation on transformers, alone and with two processes on a row."""

import json
import subprocess
import sys

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from contracts import command_line
from contracts.errors import InputError
from megatron_cdt.__main__ import COMMANDS
from megatron_cdt.detect_command import read_rows
from megatron_cdt.huggingface.config import read_architecture
from tests.megatron_cdt.huggingface.models import random_model

LR, BETA = 5e-2, 2.0


@pytest.fixture(scope="module")
def hf_folder(tmp_path_factory):
    """A GQA Llama with Llama-3.1 RoPE scaling and weights large enough for gradients to differ between tokens."""
    torch.manual_seed(11)
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    config = LlamaConfig(
        vocab_size=131,
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=3,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.2,
        rope_parameters=scaling | {"rope_theta": 5e5, "original_max_position_embeddings": 64},
    )
    folder = tmp_path_factory.mktemp("hf")
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def rows():
    """Rows of odd and even lengths; all labelled, answer only, one label at the very end, holes."""
    generator = torch.Generator().manual_seed(2)
    made = []
    for length, labelled in [(40, range(40)), (37, range(25, 37)), (64, [63]), (33, range(0, 33, 3)), (2, [1])]:
        ids = torch.randint(0, 131, (length,), generator=generator).tolist()
        made.append({"input_ids": ids, "labels": [token if i in labelled else -100 for i, token in enumerate(ids)]})
    made[1]["id"] = "the second"
    return made


def oracle(model, row, reduction):
    """Eq. 2 to 4 by autograd on transformers' own model, in its own fp32."""
    ids, labels = torch.tensor([row["input_ids"]]), torch.tensor([row["labels"]])
    embeddings = model.get_input_embeddings()(ids).detach().requires_grad_()
    mean_loss = model(inputs_embeds=embeddings, labels=labels).loss
    loss = mean_loss * (labels[:, 1:] != -100).sum() if reduction == "sum" else mean_loss
    (grad,) = torch.autograd.grad(loss, embeddings)
    norms = grad[0].norm(dim=-1)
    threshold = norms.double().mean()
    noise = norms.double() < threshold
    denoised = embeddings - noise[None, :, None] * grad * LR * BETA
    return {
        "grad_norm": norms.tolist(),
        "noise": noise.int().tolist(),
        "threshold": threshold.item(),
        "ce": mean_loss.item(),
        "cdt": model(inputs_embeds=denoised, labels=labels).loss.item(),
        "relative_shift": ((denoised - embeddings).norm() / embeddings.norm()).item(),
    }


def run_detect(hf_folder, data, output, *extra, launcher=(sys.executable,)):
    command = [*launcher, "-m", "megatron_cdt", "detect", "--model", hf_folder, "--data", data, "--output", output]
    command += ["--lr", LR, "--beta", BETA, *extra]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120)


def torchrun(processes):
    return (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", processes)


@pytest.fixture(scope="module")
def data(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("context_parallel", [1, 2])
def test_detect_equals_plain_autograd_on_transformers(hf_folder, rows, data, tmp_path, reduction, context_parallel):
    launcher = torchrun(2) if context_parallel == 2 else (sys.executable,)
    extra = ["--reduction", reduction, "--context-parallel-size", context_parallel]
    done = run_detect(hf_folder, data, tmp_path / "out.jsonl", *extra, launcher=launcher)
    assert done.returncode == 0, done.stderr
    model = LlamaForCausalLM.from_pretrained(hf_folder)
    results = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(results) == len(rows)
    for row, result in zip(rows, results, strict=True):
        expected = oracle(model, row, reduction)
        assert result["noise"] == expected["noise"]
        assert result["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-4, abs=1e-9)
        for name in ("threshold", "ce", "cdt", "relative_shift"):
            assert result[name] == pytest.approx(expected[name], rel=1e-4), name
        assert result.get("id") == row.get("id")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("not json", "line 1: not a JSON object"),
        ('{"input_ids": [1, 2]}', "line 1: not a JSON object with input_ids and labels"),
        ('{"input_ids": [1, 2], "labels": [1]}', "line 1: input_ids and labels must be lists of integers of the same"),
        ('{"input_ids": [1, 131], "labels": [1, 1]}', "line 1: a token id is outside 0..130"),
        ('{"input_ids": [1, 2], "labels": [1, -100]}', "line 1: no labelled token after the first"),
        ("", "no rows"),
        ("\udcff", "line 1: not a JSON object with input_ids and labels ('utf-8' codec can't decode"),
        ('{"input_ids": [' + "9" * 5000 + '], "labels": [1]}', "line 1: not a JSON object with input_ids and labels"),
        ("[" * 100_000, "line 1: not a JSON object with input_ids and labels"),
    ],
)
def test_a_bad_row_is_one_line_with_the_cure_and_exit_code_2(hf_folder, tmp_path, capsys, line, complaint):
    data, output = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    data.write_bytes((line + "\n").encode("utf-8", "surrogateescape"))
    argv = ["detect", "--model", hf_folder, "--data", data, "--output", output, "--lr", LR, "--beta", BETA]
    assert command_line.main("megatron_cdt", COMMANDS, [str(word) for word in argv]) == 2
    (told,) = capsys.readouterr().err.strip().splitlines()
    assert complaint in told
    assert not output.exists()


def test_a_row_that_a_models_window_does_not_hold_is_refused(tmp_path):
    random_model(tmp_path, "mistral", sliding_window=8)
    architecture = read_architecture(tmp_path)
    data = tmp_path / "rows.jsonl"
    data.write_text(json.dumps({"input_ids": [1] * 8, "labels": [1] * 8}) + "\n")
    assert len(list(read_rows(data, architecture))) == 1
    data.write_text(json.dumps({"input_ids": [1] * 9, "labels": [1] * 9}) + "\n")
    with pytest.raises(InputError, match=r"line 1: 9 tokens, .* rows of at most 8"):
        list(read_rows(data, architecture))


@pytest.mark.parametrize("words", [["--lr", "nan"], ["--beta", "inf"]])
def test_a_number_that_is_none_is_refused(tmp_path, capsys, words):
    given = ["detect", "--model", "m", "--data", "d", "--output", "o", "--lr", "1", "--beta", "1", *words]
    assert command_line.main("megatron_cdt", COMMANDS, given) == 2
    assert f"{words[1]} is not a finite number" in capsys.readouterr().err


def test_an_output_that_is_a_folder_is_told_before_the_work(hf_folder, data, tmp_path, capsys):
    argv = ["detect", "--model", hf_folder, "--data", data, "--output", tmp_path, "--lr", LR, "--beta", BETA]
    assert command_line.main("megatron_cdt", COMMANDS, [str(word) for word in argv]) == 2
    assert "a folder; name the file to write" in capsys.readouterr().err


def test_more_processes_than_context_parallel_ranks_are_refused(hf_folder, data, tmp_path):
    done = run_detect(hf_folder, data, tmp_path / "out.jsonl", launcher=torchrun(2))
    assert done.returncode != 0
    assert "2 processes for --context-parallel-size 1" in done.stderr
