"""What an evaluation costs, beside the usual ways of doing it.

in : --turns, how often the sides take turns; --tiny, sizes that only show that it runs
out: a table for each measurement on the terminal; with --output STEM also STEM.md and STEM.json
run: make bench-eval
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import sentencepiece
import torch
import transformers

from benches.eval.answers import answers_table, make_model
from benches.eval.fan_out import copy_tokenizer, fan_out_table
from benches.eval.samples import samples_table
from benches.train.machine import circumstances, load
from benches.train.report import Table, markdown, result_of, write_result
from contracts.tokenizer import load_tokenizer

BOOKS = Path(__file__).resolve().parents[2] / "resources" / "pg19"
VOCABULARY = 4096


def parse(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.eval", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="write STEM.md and STEM.json")
    parser.add_argument("--turns", type=int, default=5, help="turns that the sides take (default: 5)")
    parser.add_argument("--tiny", action="store_true", help="sizes that only show that it runs")
    return parser.parse_args(words)


def train_tokenizer(folder: Path) -> None:
    """A sentencepiece tokenizer of the repository's books."""
    texts = sorted((BOOKS / "train").glob("*.txt"))[:3]
    lines = (line for path in texts for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    folder.mkdir()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines,
        model_prefix=str(folder / "tokenizer"),
        vocab_size=VOCABULARY,
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        split_digits=True,
        num_threads=1,
        minloglevel=2,
    )


def tables(scratch: Path, *, tiny: bool, turns: int) -> list[Table]:
    """Every measurement."""
    train_tokenizer(scratch / "tokenizer")
    tokenizer = load_tokenizer(scratch / "tokenizer")
    lengths, samples = ([1024], 2) if tiny else ([4096, 16384, 65536], 20)
    shapes = [(128, 1, 64)] if tiny else [(256, 2, 256), (512, 4, 256), (512, 4, 1024)]
    models, matrix_lengths = (1, 1) if tiny else (5, 20)
    count, most = (3, 4) if tiny else (16, 64)
    model = scratch / "model"
    make_model(model, 128, 1, tokenizer.vocab_size)
    copy_tokenizer(scratch / "tokenizer", model)
    return [
        samples_table(tokenizer, lengths, samples, turns),
        answers_table(scratch / "models", tokenizer, shapes, count, most, turns),
        fan_out_table(scratch, model, tokenizer, models, matrix_lengths),
    ]


def main(words: list[str]) -> None:
    """Measure, print, write."""
    arguments = parse(words)
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    load_before = load()
    with tempfile.TemporaryDirectory(prefix="bench-eval-") as scratch:
        measured = tables(Path(scratch), tiny=arguments.tiny, turns=arguments.turns)
    result = result_of("What an evaluation costs", circumstances(load_before, "benches.eval"), measured)
    sys.stdout.write(markdown(result))
    if arguments.output:
        write_result(result, arguments.output)


if __name__ == "__main__":
    main(sys.argv[1:])
