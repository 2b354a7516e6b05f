"""A whole little training job on disk: packs, tokenizer, start checkpoint; and a way to run the command."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tokenizers import Tokenizer, models

from contracts.packs import PackMetadata, packs_schema
from contracts.tokenizer import load_tokenizer

REPOSITORY = Path(__file__).resolve().parents[3]
VOCABULARY, LENGTH, ALIGNMENT = 64, 32, 8
ARCHITECTURE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "ffn_hidden_size": 48,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}


def write_pack(folder: Path, *, rows: int, seed: int, tokenizer_digest: str, **metadata: int) -> Path:
    """Rows of a repeating sequence in 1 to 3 segments with padding; every third row has labels at its very start only.

    Such a row leaves context rank 1 of 2 without a label.
    """
    told = PackMetadata(
        **{
            "length": LENGTH,
            "alignment": ALIGNMENT,
            "padding_id": 0,
            "vocab_size": VOCABULARY,
            "rows_per_batch": 4,
            "block_diagonal": True,
            "tokenizer_digest": tokenizer_digest,
            "fingerprint": f"rows {rows} seed {seed}",
        }
        | metadata
    )
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    with pa.OSFile(str(folder / "pack-00000.arrow"), "wb") as sink, pa.ipc.new_file(sink, packs_schema(told)) as writer:
        for first in range(0, rows, told.rows_per_batch):
            batch = [pack_row(generator, row) for row in range(first, min(first + told.rows_per_batch, rows))]
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=packs_schema(told)))
    return folder


def pack_row(generator: np.random.Generator, number: int) -> dict:
    """One row as Arrow takes it."""
    lengths = [[32], [16, 16], [8, 16, 8]][number % 3]
    tokens = [length - int(generator.integers(0, 4)) for length in lengths]
    start = int(generator.integers(0, VOCABULARY))
    return {
        "input_ids": [(start + 3 * place + int(generator.integers(0, 2))) % VOCABULARY for place in range(LENGTH)],
        "segment_lengths": lengths,
        "segment_tokens": tokens,
        "segment_documents": [f"{number}.{segment}" for segment in range(len(lengths))],
        "segment_starts": [0] * len(lengths),
        "label_spans": [{"start": 1, "end": 4}] if number % 3 == 0 else None,
        "evidence_spans": None,
    }


@dataclass(frozen=True)
class Job:
    """The inputs of a training, and the command that runs it."""

    folder: Path

    def settings(self, **changes: object) -> dict:
        """A run of 6 steps of 4 rows; `changes` replaces keys, and the layout says how many processes."""
        return {
            "method": "cdt",
            "steps": 6,
            "global_batch_rows": 4,
            "learning_rate": 0.01,
            "min_learning_rate": 0.001,
            "warmup_steps": 2,
            "clip_grad": 0.5,
            "checkpoint_interval": 2,
            "validation_interval": 3,
            "cdt": {"reduction": "sum"},
        } | changes

    def command(self, settings: dict, run_folder: Path, *extra: str) -> list[str]:
        """The command line; without a launcher, so that the run starts its own processes."""
        inputs = {
            "--settings": json.dumps(settings),
            "--data": self.folder / "packs",
            "--validation": self.folder / "held-back",
            "--start": self.folder / "start",
            "--tokenizer": self.folder / "tokenizer",
            "--run-folder": run_folder,
            "--output": run_folder.with_name(f"{run_folder.name}-model"),
        }
        flat = [str(part) for pair in inputs.items() for part in pair]
        return [sys.executable, "-m", "megatron_cdt", "train", *flat, *extra]

    def start(self, settings: dict, run_folder: Path, *extra: str) -> subprocess.Popen:
        """The training as a process of its own."""
        return subprocess.Popen(
            self.command(settings, run_folder, *extra),
            cwd=REPOSITORY,
            env=environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def train(self, settings: dict, run_folder: Path, *extra: str) -> subprocess.CompletedProcess:
        """The training from beginning to end."""
        command = self.command(settings, run_folder, *extra)
        return subprocess.run(command, cwd=REPOSITORY, env=environment(), text=True, capture_output=True, timeout=300)


def environment() -> dict[str, str]:
    """This process's environment as a person's shell has it: no launcher's variables."""
    return {**os.environ, "OMP_NUM_THREADS": "1"} | {"PYTHONWARNINGS": "ignore"}


@pytest.fixture(scope="session")
def job(tmp_path_factory) -> Job:
    """Made once: 10 rows to train on, 5 held back, a tokenizer of 64 words, fresh weights."""
    folder = tmp_path_factory.mktemp("job")
    (folder / "tokenizer").mkdir()
    words = {f"w{number}": number for number in range(VOCABULARY)}
    Tokenizer(models.WordLevel(words, unk_token="w0")).save(str(folder / "tokenizer" / "tokenizer.json"))
    digest = load_tokenizer(folder / "tokenizer").digest
    write_pack(folder / "packs", rows=10, seed=1, tokenizer_digest=digest)
    write_pack(folder / "held-back", rows=5, seed=2, tokenizer_digest=digest)
    make_start = [sys.executable, "-m", "megatron_cdt", "import-hf", "--output", str(folder / "start")]
    subprocess.run(
        [*make_start, "--settings", json.dumps({"architecture": ARCHITECTURE, "seed": 5})],
        cwd=REPOSITORY,
        env=environment(),
        check=True,
        capture_output=True,
    )
    return Job(folder)
