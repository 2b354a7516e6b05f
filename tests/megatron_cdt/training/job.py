"""A whole little training job on disk, and ways to run the command on it.

Processes of a run are forked from a server that has imported the command already: a start costs milliseconds, so
that a test can afford to kill one a few times.
"""

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from tokenizers import Tokenizer, models

from contracts import command_line
from contracts.packs import PackMetadata, packs_schema
from contracts.tokenizer import load_tokenizer
from megatron_cdt.__main__ import COMMANDS
from tests.megatron_cdt.distributed import free_port

REPOSITORY = Path(__file__).resolve().parents[3]
# TransformerEngine touches the GPU when it is imported; a process that has done so may not be forked.
FORKS = multiprocessing.get_context("spawn" if torch.cuda.is_available() else "forkserver")
FORKS.set_forkserver_preload(["megatron_cdt.training.train_command", "megatron_cdt.huggingface.import_command"])
TIMEOUT_SECONDS = 200
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


def write_pack(
    folder: Path,
    *,
    rows: int,
    seed: int,
    tokenizer_digest: str,
    make_row: Callable[[np.random.Generator, int], dict] = pack_row,
    **metadata: int,
) -> Path:
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
            batch = [
                (make_row or pack_row)(generator, row) for row in range(first, min(first + told.rows_per_batch, rows))
            ]
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=packs_schema(told)))
    return folder


@dataclass(frozen=True)
class Job:
    """The inputs of a training, and the command that runs it."""

    folder: Path

    def arguments(self, settings: dict, run_folder: Path, *extra: str) -> list[str]:
        """The command's arguments; the model is written to `<run folder>-model`."""
        inputs = {
            "--settings": json.dumps(settings),
            "--data": self.folder / "packs",
            "--validation": self.folder / "held-back",
            "--start-checkpoint": self.folder / "start",
            "--tokenizer": self.folder / "tokenizer",
            "--run-folder": run_folder,
            "--output": model_folder(run_folder),
        }
        return ["train", *(str(part) for pair in inputs.items() for part in pair), *extra]

    def start(self, settings: dict, run_folder: Path, *extra: str) -> "Processes":
        """The training as processes that a launcher would have started."""
        count = settings.get("layout", {}).get("processes", 1)
        return Processes(self.arguments(settings, run_folder, *extra), count, run_folder.with_suffix(".log"))

    def train(self, settings: dict, run_folder: Path, *extra: str) -> str:
        """The training from beginning to end; returns what it said on stderr."""
        processes = self.start(settings, run_folder, *extra)
        assert processes.wait() == [0] * len(processes.workers), processes.said()
        return processes.said()

    def launch(self, settings: dict, run_folder: Path) -> subprocess.Popen:
        """The training as a person types it: it starts its own processes."""
        command = [sys.executable, "-W", "ignore", "-m", "megatron_cdt", *self.arguments(settings, run_folder)]
        return subprocess.Popen(command, cwd=REPOSITORY, text=True, stderr=subprocess.PIPE)


class Processes:
    """The processes of one run, and what they say."""

    def __init__(self, arguments: list[str], count: int, log: Path) -> None:
        self.log = log
        self.log.unlink(missing_ok=True)
        port = free_port() if count > 1 else None
        self.workers = [FORKS.Process(target=work, args=(arguments, rank, count, port, log)) for rank in range(count)]
        for worker in self.workers:
            worker.start()

    def wait(self) -> list[int]:
        """The exit codes, by rank."""
        for worker in self.workers:
            worker.join(TIMEOUT_SECONDS)
        return [worker.exitcode for worker in self.workers]

    def kill(self) -> None:
        """kill -9 of all of them."""
        for worker in self.workers:
            worker.kill()
        self.wait()

    def running(self) -> bool:
        """Whether any has not ended."""
        return any(worker.is_alive() for worker in self.workers)

    def said(self) -> str:
        """stderr of all processes."""
        return self.log.read_text(encoding="utf-8")


def work(arguments: list[str], rank: int, count: int, port: int | None, log: Path) -> None:
    """One process of a run: a launcher's environment, stderr in a file, then the command."""
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), sys.stderr.fileno())
    if count > 1:
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
        os.environ.update(where | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
    sys.exit(command_line.main("megatron_cdt", COMMANDS, arguments))


def model_folder(run_folder: Path) -> Path:
    """Where a run of a test exports to."""
    return run_folder.with_name(f"{run_folder.name}-model")


def train_settings(**changes: object) -> dict:
    """A run of 6 steps of 4 rows whose gradients are clipped; `changes` replaces keys."""
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


def make_job(folder: Path, **architecture: int) -> Job:
    """10 rows to train on, 5 held back, a tokenizer of 64 words, fresh weights; `architecture` replaces keys."""
    (folder / "tokenizer").mkdir()
    words = {f"w{number}": number for number in range(VOCABULARY)}
    Tokenizer(models.WordLevel(words, unk_token="w0")).save(str(folder / "tokenizer" / "tokenizer.json"))
    digest = load_tokenizer(folder / "tokenizer").digest
    write_pack(folder / "packs", rows=10, seed=1, tokenizer_digest=digest)
    write_pack(folder / "held-back", rows=5, seed=2, tokenizer_digest=digest)
    model = json.dumps({"architecture": ARCHITECTURE | architecture, "seed": 5})
    importing = Processes(
        ["import-hf", "--settings", model, "--output", str(folder / "start")], 1, folder / "import.log"
    )
    assert importing.wait() == [0], importing.said()
    return Job(folder)
