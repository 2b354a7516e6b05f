"""The paper's three sets through the workflow's rules, small: PG-19 rows, LongMIT and LongAlpaca mixed."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import yaml

from contracts.packs import PackReader
from tests.data_prep.conftest import TEMPLATE, write_books
from tests.data_prep.records import longalpaca_record, longmit_record, write_jsonl

REPOSITORY = Path(__file__).resolve().parents[2]
COMMON = {
    "tokenizer": {"vocab_size": 420},
    "model": {
        "architecture": {
            "hidden_size": 32,
            "num_layers": 1,
            "num_attention_heads": 2,
            "ffn_hidden_size": 32,
            "max_position_embeddings": 4096,
        }
    },
    "train": {"steps": 1, "global_batch_rows": 1, "learning_rate": 0.001},
    "eval": {"benchmarks": {"ruler": {"tasks": ["niah_single_1"]}}, "lengths": [512]},
}


def snakemake(folder: Path, configuration: dict, *targets: str) -> None:
    """Make the targets in `folder`."""
    (folder / "run.yaml").write_text(yaml.safe_dump(COMMON | configuration))
    words = [
        "-s",
        str(REPOSITORY / "Snakefile"),
        "--configfile",
        "run.yaml",
        "--cores",
        "2",
        "--quiet",
        "all",
        "--",
        *targets,
    ]
    profile = ["--profile", str(REPOSITORY / "workflow" / "profiles" / "local")]
    outcome = subprocess.run(
        [sys.executable, "-m", "snakemake", *profile, *words],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout


def test_pg19_as_the_authors_cut_it(tmp_path: Path) -> None:
    write_books(tmp_path / "books", [1, 2, 3, 4, 5, 6])
    pack = {"mode": "truncate", "length": 200, "rows": 4}
    snakemake(tmp_path, {"run": "lm", "corpus": {"path": "books"}, "pack": pack}, "results/lm/packs/train")
    reader = PackReader(tmp_path / "results" / "lm" / "packs" / "train")
    counts = json.loads((reader.folder / "manifest.json").read_text())["counts"]
    assert len(reader) == min(
        4, counts["documents"]["in"] - counts["documents"]["dropped"].get("shorter than a row", 0)
    )
    assert all(row.segment_starts.tolist() == [0] and row.segment_tokens.tolist() == [200] for row in reader)
    assert counts["tokens"]["dropped"].keys() >= {"beyond the first row of a document"}


def test_longmit_alone_needs_no_longalpaca(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", [longmit_record(number, 2 + number % 5) for number in range(20)])
    (tmp_path / "template.jinja").write_text(TEMPLATE)
    make_set(tmp_path, "longmit", {"path": "train.jsonl", "samples": 10, "validation_samples": 5}, 10)


def test_longalpaca_alone_needs_no_longmit(tmp_path: Path) -> None:
    (tmp_path / "LongAlpaca-12k.json").write_text(json.dumps([longalpaca_record(number) for number in range(8)]))
    (tmp_path / "template.jinja").write_text(TEMPLATE)
    make_set(tmp_path, "longalpaca", {"path": "LongAlpaca-12k.json", "samples": 6, "validation_samples": 2}, 6)


def make_set(folder: Path, name: str, part: dict, expected: int) -> None:
    """Rows of one set of samples by the workflow, whose configuration has no word of the other set."""
    write_books(folder / "books", [1, 2, 3])
    configuration = {
        "run": name,
        "corpus": {"path": "books"},
        "tokenize": {"samples": {"min_tokens": 50, "max_tokens": 4096, "chat_template": "template.jinja"}},
        "mix": {name: part},
        "pack": {"mode": "best-fit", "length": 4096, "alignment": 8},
    }
    target = f"results/{name}/packs/train"
    snakemake(folder, configuration, target)
    documents = [document for row in PackReader(folder / target) for document in row.segment_documents]
    assert len(documents) == len(set(documents)) == expected
    assert {document.split("/")[0] for document in documents} == {name}


def test_longmit_and_longalpaca_fetched_mixed_and_packed(tmp_path: Path) -> None:
    published = tmp_path / "published"
    write_jsonl(published / "train.jsonl", [longmit_record(number, 2 + number % 5) for number in range(40)])
    (published / "LongAlpaca-12k.json").write_text(json.dumps([longalpaca_record(number) for number in range(8)]))
    write_books(tmp_path / "books", [1, 2, 3])
    (tmp_path / "template.jinja").write_text(TEMPLATE)
    handler = partial(SimpleHTTPRequestHandler, directory=str(published))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    fetch = {
        f"data/{path.name}": {
            "url": f"http://127.0.0.1:{server.server_port}/{path.name}",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in published.iterdir()
    }
    configuration = {
        "run": "sft",
        "fetch": fetch,
        "corpus": {"path": "books"},
        "tokenize": {"samples": {"min_tokens": 50, "max_tokens": 4096, "chat_template": "template.jinja"}},
        "mix": {
            "longmit": {"path": "data/train.jsonl", "samples": 20, "validation_samples": 5},
            "longalpaca": {"path": "data/LongAlpaca-12k.json", "samples": 5, "validation_samples": 1},
        },
        "pack": {"mode": "best-fit", "length": 4096, "alignment": 8},
    }
    targets = [f"results/sft/packs/{split}" for split in ("train", "validation")]
    snakemake(tmp_path, configuration, *targets)
    server.shutdown()
    samples: list[set[str]] = []
    for target, expected in zip(targets, (25, 6), strict=True):
        reader = PackReader(tmp_path / target)
        names = [name for row in reader for name in row.segment_documents]
        assert len(names) == len(set(names)) == expected
        samples.append(set(names))
        assert all(row.label_spans is not None and row.supervised_tokens().any() for row in reader)
    assert not samples[0] & samples[1]
    tokens = json.loads((tmp_path / "results" / "sft" / "tokens" / "train" / "manifest.json").read_text())
    assert tokens["counts"]["drawn"]["longmit"] == {f"{n} supporting passages": 4 for n in range(2, 7)}
    row = PackReader(tmp_path / targets[0]).row(0)
    assert np.all(np.diff(row.label_spans[:, 0]) > 0)
