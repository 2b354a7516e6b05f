"""Write the samples of one task at one length.

in : a tokenizer; what the task needs beside it: held-back books, a benchmark's published files, a model (--data)
out: LENGTH.jsonl and LENGTH.manifest.json beside it
invariant: the same settings and inputs give the same bytes, whatever else is built.
run: python -m eval build --benchmark ruler --task vt --length 1024 --tokenizer results/demo/tokenizer \
     --settings '{"benchmarks": {"ruler": {}}}' --output samples/ruler/vt/1024.jsonl
"""

import argparse

from contracts.code_reach import code_facts
from contracts.command_line import named_paths, natural_int
from contracts.settings import load_settings
from contracts.tokenizer import load_tokenizer
from eval.building.context import BuildContext
from eval.building.samples import Cell, write_samples
from eval.cells import cell_settings
from eval.registry import BENCHMARKS, function_at, known_task
from eval.settings import EvalSettings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--benchmark", required=True, choices=tuple(BENCHMARKS), help="benchmark of the task")
    parser.add_argument("--task", required=True, help="task to build")
    parser.add_argument("--length", required=True, type=natural_int, help="length of every sample (tokens)")
    parser.add_argument("--tokenizer", required=True, help="tokenizer folder or file of the models to evaluate")
    parser.add_argument(
        "--data",
        nargs="*",
        default=[],
        metavar="KEY=PATH",
        help="what the task needs: books (a folder in the PG-19 layout), evaluator (a model folder), train_tokens (a "
        "tokens folder), or a key of eval.data",
    )
    parser.add_argument("--split", default="test", help="which split of the books (default: test)")
    parser.add_argument("--settings", default="{}", help="the eval settings: a YAML file, or JSON text")
    parser.add_argument("--section", help="key of the settings file that holds them, e.g. eval")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where an evaluator runs")
    parser.add_argument("--output", required=True, help="samples file to write, e.g. samples/ruler/vt/1024.jsonl")


def run(arguments: argparse.Namespace) -> None:
    """Build one cell and write it with its manifest."""
    task = known_task(arguments.benchmark, arguments.task)
    context = cell_context(arguments)
    built = function_at(task.build)(context)
    write_samples(
        arguments.output,
        cell=Cell(arguments.benchmark, arguments.task, arguments.length),
        rows=built.rows,
        facts=built.facts,
        inputs={"tokenizer_digest": context.tokenizer.digest, **built.inputs},
        settings=cell_settings(
            context.settings.model_dump(mode="json"), arguments.benchmark, arguments.task, arguments.length
        ),
        code=code_facts("eval.commands.build", task.build),
        packages=("torch", "transformers") if "evaluator" in task.needs else ("numpy",),
    )


def cell_context(arguments: argparse.Namespace) -> BuildContext:
    """What the task's builder is given; InputError where the settings leave its benchmark out."""
    context = BuildContext(
        benchmark=arguments.benchmark,
        task=arguments.task,
        length=arguments.length,
        tokenizer=load_tokenizer(arguments.tokenizer),
        settings=load_settings(EvalSettings, arguments.settings, arguments.section),
        data_paths=named_paths(arguments.data, "--data"),
        split=arguments.split,
        tokenizer_path=arguments.tokenizer,
        device=arguments.device,
    )
    return context
