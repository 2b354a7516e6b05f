"""Write the samples of one task at one length.

in : a tokenizer; for book tasks a folder of held-back books; for longppl a model that finds the key tokens
out: LENGTH.jsonl and LENGTH.manifest.json beside it
invariant: the same settings and inputs give the same bytes, whatever else is built.
run: python -m eval build --task vt --length 1024 --tokenizer results/demo/tokenizer --output samples/vt/1024.jsonl
"""

import argparse
import importlib

from contracts.command_line import positive_int
from contracts.fingerprint import code_fingerprint
from contracts.settings import load_settings
from contracts.tokenizer import load_tokenizer
from eval.build_context import BuildContext
from eval.registry import TASKS, known_task
from eval.samples import write_samples
from eval.settings import EvalSettings, settings_of_task


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--task", required=True, choices=tuple(TASKS), help="task to build")
    parser.add_argument("--length", required=True, type=positive_int, help="length of every sample (tokens)")
    parser.add_argument("--tokenizer", required=True, help="tokenizer folder or file of the models to evaluate")
    parser.add_argument("--books", help="folder of books in the PG-19 layout (perplexity, longppl, hops)")
    parser.add_argument("--split", default="test", help="which split of the books (default: test)")
    parser.add_argument("--evaluator", help="model folder that finds the key tokens (longppl)")
    parser.add_argument("--train-tokens", help="tokens folder of the train books, for unigram entropy (perplexity)")
    parser.add_argument("--settings", default="{}", help="the eval settings: a YAML file, or JSON text")
    parser.add_argument("--section", help="key of the settings file that holds them, e.g. eval")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where the evaluator runs")
    parser.add_argument("--output", required=True, help="samples file to write, e.g. samples/vt/1024.jsonl")


def run(arguments: argparse.Namespace) -> None:
    """Build one cell and write it with its manifest."""
    settings = load_settings(EvalSettings, arguments.settings, arguments.section)
    tokenizer = load_tokenizer(arguments.tokenizer)
    context = BuildContext(
        task=arguments.task,
        length=arguments.length,
        tokenizer=tokenizer,
        settings=settings,
        books_folder=arguments.books,
        split=arguments.split,
        evaluator=arguments.evaluator,
        train_tokens=arguments.train_tokens,
        device=arguments.device,
    )
    module = known_task(arguments.task).build_module
    built = importlib.import_module(module).build(context)
    write_samples(
        arguments.output,
        task=arguments.task,
        length=arguments.length,
        rows=built.rows,
        facts=built.facts,
        inputs={"tokenizer_digest": tokenizer.digest, **built.inputs},
        settings=settings_of_task(settings, arguments.task),
        code=code_fingerprint("eval.build_command", module),
        packages=("torch", "transformers") if arguments.task == "longppl" else ("numpy",),
    )
