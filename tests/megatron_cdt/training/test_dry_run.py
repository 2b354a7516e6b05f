"""A dry run prints what the run takes, writes nothing, and finds what would have stopped it."""

import json
from pathlib import Path

import numpy as np
import pytest

from contracts import command_line
from contracts.tokenizer import load_tokenizer
from megatron_cdt.__main__ import COMMANDS
from tests.megatron_cdt.training.job import VOCABULARY, Job, train_settings, write_pack


def dry(job: Job, run_folder: Path, *extra: str, **changes: object) -> int:
    """Exit code of a dry run."""
    return command_line.main(
        "megatron_cdt", COMMANDS, job.arguments(train_settings(**changes), run_folder, "--dry-run", *extra)
    )


def test_it_prints_what_the_run_takes_and_writes_nothing(job, tmp_path, capsys):
    run_folder = tmp_path / "runs" / "cdt"
    assert dry(job, run_folder, layout={"processes": 4, "context": 2}, checkpoint_async=True) == 0
    lines = capsys.readouterr().out.splitlines()
    told = {line[:12].strip(): line[13:] for line in lines}
    assert told["layout"] == "4 processes = tensor 1 x pipeline 1 x context 2 x data 2"
    assert told["epochs"] == "2.4 over 10 rows"
    assert told["steps"] == "6 of 4 rows, 32 tokens a row"
    assert told["checkpoints"].startswith("3 of ")
    # A process's weights and a quarter of Adam's three values each: 1.75 x 4 bytes a weight.
    copied = int(told["parameters"].replace(",", "")) * 7 / 2**20
    assert f"from up to {copied:,.1f} MiB more host memory" in "".join(lines)
    assert not list(tmp_path.iterdir())


def test_with_lora_it_counts_what_is_trained(job, tmp_path, capsys):
    def told(**changes: object) -> str:
        assert dry(job, tmp_path / "run", **changes) == 0
        return capsys.readouterr().out

    full, lora = told(), told(lora={"rank": 2, "train_norms": True})
    # A and B of 2 layers, each 2 x (32 + 32) for q and o, 2 x (32 + 16) for k and v; 5 norms of 32.
    assert "1,056 trained: LoRA of rank 2 on q_proj, k_proj, v_proj, o_proj; whole: norms" in lora
    gradients, adam = (
        [float(line.split()[0]) for line in text.splitlines() if line.endswith(("gradients", "adam"))]
        for text in (lora, full)
    )
    assert gradients < [0.1 * size for size in adam]


def test_its_tokens_and_checkpoint_bytes_are_those_of_the_run(job, tmp_path, capsys):
    assert dry(job, tmp_path / "run") == 0
    told = capsys.readouterr().out
    job.train(train_settings(), tmp_path / "run")
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert f"{last['consumed_tokens']:,} real ones" in told
    saved = max((tmp_path / "run" / "checkpoints").iterdir()).glob("*.distcp")
    written = sum(file.stat().st_size for file in saved)
    estimated = float(next(line for line in told.splitlines() if line.startswith("checkpoints")).split()[3]) * 2**20
    # Each tensor has a header of about 1 KiB, which only a tiny model's checkpoint shows.
    assert estimated == pytest.approx(written, rel=0.4, abs=0.05 * 2**20)
    assert dry(job, tmp_path / "run") == 0
    assert dry(job, tmp_path / "run", seed=7) == 2
    assert "begun as another run (settings.seed: 1234 -> 7)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"layout": {"processes": 2, "pipeline": 9}}, "pipeline"),
        ({"layout": {"processes": 16, "context": 8}, "global_batch_rows": 2}, "packed for alignment 8"),
        ({"layout": {"processes": 4, "tensor": 4}}, "num_key_value_heads 2 is not a multiple of tensor parallel 4"),
        ({"method": "sft"}, "sft trains on answers"),
        ({"method": "logo"}, "needs segments in threes"),
        ({"keep_checkpoints": 10**9}, "lower keep_checkpoints"),
        (
            {"dtype": "bfloat16", "cdt": {"detection_precision": "fp8"}},
            "fp8 needs a GPU; set cdt.detection_precision to",
        ),
    ],
)
def test_what_would_stop_the_run_is_found_with_exit_code_2(job, tmp_path, capsys, changes, complaint):
    assert dry(job, tmp_path / "run", **changes) == 2
    said = capsys.readouterr()
    assert complaint in said.err
    assert said.err.count("\n") == 1
    assert not said.out


def test_rows_longer_than_the_models_context_are_found_by_the_dry_run_and_by_the_run(job, tmp_path, capsys):
    digest = load_tokenizer(job.folder / "tokenizer").digest
    long = write_pack(tmp_path / "packs", rows=2, seed=1, tokenizer_digest=digest, length=96, make_row=long_row)
    assert dry(job, tmp_path / "run", "--data", str(long)) == 2
    processes = job.start(train_settings(), tmp_path / "run", "--data", str(long))
    assert processes.wait() == [2]
    for said in (capsys.readouterr().err, processes.said()):
        assert "rows of 96 tokens, but the model is meant for 64 (max_position_embeddings)" in said
        assert said.count("\n") == 1


def long_row(generator: np.random.Generator, number: int) -> dict:
    """One document of 96 tokens."""
    ids = generator.integers(0, VOCABULARY, 96).tolist()
    lengths = {"segment_lengths": [96], "segment_tokens": [96], "segment_documents": [str(number)]}
    return {"input_ids": ids, **lengths, "segment_starts": [0], "label_spans": None, "evidence_spans": None}


def test_packs_of_another_tokenizer_and_places_that_cannot_be_written_are_found(job, tmp_path, capsys):
    other = write_pack(tmp_path / "packs", rows=2, seed=1, tokenizer_digest="another")
    assert dry(job, tmp_path / "run", "--data", str(other)) == 2
    (tmp_path / "file").write_text("")
    assert dry(job, tmp_path / "file" / "run") == 2
    assert dry(job, tmp_path / "run", "--output", str(tmp_path / "file" / "model")) == 2
    first, second, third = capsys.readouterr().err.splitlines()
    assert "packed with another tokenizer" in first
    assert "cannot be written" in second
    assert "cannot be written" in third
