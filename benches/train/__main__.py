"""Measure what a training step costs and print it, side by side; with --output also as STEM.json and STEM.md.

python -m benches.train --output docs/benchmarks/train-cpu     about three minutes on one core
python -m benches.train --tiny                                 seconds; the same tables at toy sizes
python -m benches.train --gpu --output docs/benchmarks/train-gpu
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from megatron_cdt.training.measured_speed import LLAMA_3_8B

# Before torch is loaded: libraries read it once.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from benches.train import gpu
from benches.train.activations import saved_table
from benches.train.cases import RowShape, scaled_llama
from benches.train.context_parallel import context_parallel_table
from benches.train.flops import counted_table, expected_table
from benches.train.loss_memory import loss_table
from benches.train.machine import circumstances, load
from benches.train.report import Table, markdown, result_of, write_result
from benches.train.wall_time import wall_time_table
from megatron_cdt.engine.options import Layout
from megatron_cdt.engine.parallel import start_processes, stop_processes


def parse(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.train", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, metavar="STEM", help="write STEM.json and STEM.md")
    parser.add_argument("--tiny", action="store_true", help="toy sizes: seconds; no figure means anything")
    parser.add_argument("--repetitions", type=int, default=7, help="timed repetitions (default 7)")
    parser.add_argument("--gpu", action="store_true", help="an 8B-shaped model on the GPU instead (gpu.py)")
    parser.add_argument("--lengths", type=lambda text: [int(word) for word in text.split(",")], help="with --gpu")
    parser.add_argument("--recompute", choices=["none", "selective", "full"], help="with --gpu")
    arguments = parser.parse_args(words)
    if arguments.gpu and not arguments.tiny and not torch.cuda.is_available():
        parser.error("--gpu needs a GPU; --gpu --tiny runs a toy anywhere")
    return arguments


def row_shapes(tokens: int) -> list[RowShape]:
    """One long document; a row of four; answers only."""
    return [
        RowShape("one document", (tokens,)),
        RowShape("four documents", (tokens // 4,) * 4),
        RowShape("answers only, 10 %", (tokens,), labelled_share=0.1),
    ]


def cpu_tables(groups, *, tiny: bool, repetitions: int) -> list[Table]:
    """Every measurement that needs no GPU."""
    if tiny:
        small, shapes = scaled_llama(hidden=128, layers=1, vocabulary=256), row_shapes(64)
        timed, timed_shapes, cp_lengths, losses = small, shapes, [64], ([16, 32], 512, 8)
    else:
        small, shapes = scaled_llama(hidden=256, layers=4, vocabulary=4096), row_shapes(1024)
        timed, timed_shapes = scaled_llama(hidden=512, layers=2, vocabulary=8192), row_shapes(512)
        cp_lengths, losses = [512, 1024, 2048], ([1024, 4096, 16384], LLAMA_3_8B.vocab_size, 16)
    return [
        counted_table(small, shapes, groups),
        expected_table(list(gpu.LENGTHS)),
        saved_table(small, shapes, groups),
        loss_table(*losses, groups.tp),
        wall_time_table(timed, timed_shapes, groups, repetitions=repetitions),
        context_parallel_table(cp_lengths, [1, 2, 4], repetitions=3),
    ]


def main(words: list[str]) -> None:
    """Measure, print, write; a bench of minutes is written after each of its steps."""
    arguments = parse(words)
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    load_before = load()
    groups = start_processes(Layout())
    title = "A training step on a GPU" if arguments.gpu else "What a training step costs"
    try:
        for tables in measured_tables(arguments, groups):
            result = result_of(title, circumstances(load_before), tables)
            if arguments.output:
                write_result(result, arguments.output)
    finally:
        stop_processes()
    sys.stdout.write(markdown(result))


def measured_tables(arguments: argparse.Namespace, groups) -> Iterator[list[Table]]:
    """What the command line asks for, as far as it is measured."""
    if not arguments.gpu:
        yield cpu_tables(groups, tiny=arguments.tiny, repetitions=arguments.repetitions)
        return
    tables = gpu.device_tables(
        groups,
        lengths=arguments.lengths,
        recompute=arguments.recompute,
        tiny=arguments.tiny,
        repetitions=arguments.repetitions,
    )
    for table in tables:
        yield [table]


if __name__ == "__main__":
    main(sys.argv[1:])
