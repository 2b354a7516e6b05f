"""What every command of this project shares: sub-commands, one-line errors, quiet progress bars.

A command module offers `add_arguments(parser)` and `run(arguments)`, and its docstring's first line is
its help. It is imported only when it is the one that was asked for, so `--help` stays fast.
"""

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import NoReturn, TypeVar

from tqdm import tqdm

from contracts.errors import InputError, one_line
from contracts.files import shown_path

Item = TypeVar("Item")
BAD_INPUT = 2


def main(program: str, commands: Mapping[str, tuple[str, str]], argv: list[str] | None = None) -> int:
    """Run `python -m program COMMAND ...`; `commands` maps a name to (module, one line of help)."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        with job_recorder()(program, argv):
            run_command(program, commands, argv)
    except InputError as error:
        if os.environ.get("RANK", "0") == "0":  # under torchrun every process has the same complaint
            print(f"error: {one_line(error)}", file=sys.stderr)
        return BAD_INPUT
    return 0


def run_command(program: str, commands: Mapping[str, tuple[str, str]], argv: list[str]) -> None:
    """Read the command line and do what it says; bad arguments are bad input like any other."""
    parser = OneLineParser(prog=f"python -m {program}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    command = next((word for word in argv if not word.startswith("-")), None)
    module = None
    for name, (module_name, summary) in commands.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary)
        if name == command:
            module = importlib.import_module(module_name)
            module.add_arguments(subparser)
    arguments = parser.parse_args(argv)
    try:
        module.run(arguments)
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: that is not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        text = shown_path(error.filename or "an argument")
        raise InputError(f"{text} is a text where a path is expected; write it to a file and name that") from None


def job_recorder() -> Callable[[str, list[str]], AbstractContextManager[None]]:
    """What writes a job down where a workflow asks for it.

    Named, not imported: recording changes no output, so an edit of it must not change the hash of every stage's code.
    """
    return importlib.import_module("contracts.job_record").recorded


def progress(items: Iterable[Item], *, description: str, unit: str, total: int | None = None) -> Iterable[Item]:
    """`items` with a progress bar on a terminal, and silence anywhere else."""
    return tqdm(items, desc=description, unit=unit, total=total, disable=not sys.stderr.isatty())


class OneLineParser(argparse.ArgumentParser):
    """A parser whose complaint is one line, as every other complaint."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


def whole_number(text: str) -> int:
    """argparse type: a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number") from None


def positive_int(text: str) -> int:
    """argparse type: a whole number of at least 1."""
    value = whole_number(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return value


def natural_int(text: str) -> int:
    """argparse type: a whole number of at least 0."""
    value = whole_number(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 0")
    return value


def named_paths(given: list[str], option: str) -> dict[str, str]:
    """{name: path} of arguments that read NAME=PATH; InputError for any other form."""
    for text in given:
        if not all(text.partition("=")):
            raise InputError(f"{option} {text}: expected NAME=PATH, for example cdt=metrics.jsonl")
    return {text.partition("=")[0]: text.partition("=")[2] for text in given}
