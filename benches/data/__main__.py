"""Run all benchmarks of data preparation side by side and write their page.

in : --megabytes of books, --rounds, --only some; optionally --tokenizer (a folder with tokenizer.json)
out: docs/benchmarks/data.json (every figure) and docs/benchmarks/data.md (tables with ratios), printed too
Run: make bench-data
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from benches.data import packing, reading
from benches.data.corpus import BOOKS, write_corpus
from benches.data.page import page
from benches.data.tokenizing import best_of
from contracts import command_line
from data_prep.__main__ import COMMANDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks" / "data.md"
LIBRARIES = ("tokenizers", "sentencepiece", "tiktoken", "pyarrow", "datasets", "datatrove", "megatron-core")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.data", description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=64, help="10^6 characters of books (default: 64)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the best counts (default: 3)")
    parser.add_argument("--only", choices=("tokenizing", "packing", "reading"), action="append")
    parser.add_argument("--tokenizer", type=Path, help="tokenizer.json's folder (default: trained on the books)")
    parser.add_argument("--output", type=Path, default=PAGE, help="the page to write; its .json lies beside it")
    arguments = parser.parse_args()
    numbers_file = arguments.output.with_suffix(".json")
    numbers = json.loads(numbers_file.read_text()) if numbers_file.is_file() else {}
    numbers.setdefault("runs", {})
    sections = {
        "packing": lambda scratch: packing.measure(),
        "tokenizing": lambda scratch: tokenizing(arguments, scratch),
        "reading": reading.measure,
    }
    command = " ".join(["python -m benches.data", *sys.argv[1:]]) if sys.argv[1:] else "make bench-data"
    for name in arguments.only or sections:
        run = {"command": command, "load_before": os.getloadavg()[0]}
        with tempfile.TemporaryDirectory(prefix="bench-data-") as scratch:
            numbers[name] = sections[name](Path(scratch))
        numbers["runs"][name] = run | {"load_after": os.getloadavg()[0]}
    numbers["machine"] = {
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "libraries": versions(),
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    numbers_file.write_text(json.dumps(numbers, indent=1) + "\n")
    arguments.output.write_text(page(numbers))
    print(page(numbers))


def tokenizing(arguments: argparse.Namespace, scratch: Path) -> dict:
    """The contenders with a tokenizer.json, then the limit and this project with the sentencepiece model."""
    characters = write_corpus(scratch / "corpus", arguments.megabytes)
    small = write_corpus(scratch / "small", arguments.megabytes / 4)
    trained = scratch / "trained"
    words = f"tokenizer --input {BOOKS} --vocab-size 4096 --output {trained}".split()
    assert command_line.main("data_prep", COMMANDS, words) == 0
    for name, kept in (("json", "tokenizer.json"), ("model", "tokenizer.model")):
        (scratch / name).mkdir()
        shutil.copyfile((arguments.tokenizer or trained) / kept, scratch / name / kept)
    contenders = ["limit", "pieces", "ours", "datasets", "datatrove", "megatron"]
    return {
        "characters": characters,
        "json": best_of(contenders, scratch / "corpus", scratch / "json", arguments.rounds),
        "model": best_of(["limit", "pieces", "ours"], scratch / "corpus", scratch / "model", arguments.rounds),
        "quarter": {"characters": small} | best_of(["ours"], scratch / "small", scratch / "json", 1)["ours"],
    }


def versions() -> dict[str, str]:
    """The versions of what was measured."""
    return {name: metadata.version(name) for name in LIBRARIES}


if __name__ == "__main__":
    main()
