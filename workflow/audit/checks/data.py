"""Tokenizers, tokens and packs are counted again, row by row, by the stage's own verification."""

import argparse
import contextlib
import io
from collections.abc import Iterator
from pathlib import PurePosixPath

from contracts.errors import InputError
from data_prep.commands import verify as verify_command
from workflow.audit.checks.difference import Audited, Difference

STAGES = ("tokenizer", "tokenize", "mix", "pack")


def check(audited: Audited) -> Iterator[Difference]:
    """Every folder that data_prep made."""
    for name, manifest in sorted(audited.run.manifests.items()):
        if manifest["stage"] not in STAGES:
            continue
        folder = audited.run.folder / PurePosixPath(name).parent
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                verify_command.run(argparse.Namespace(folder=folder))
        except (InputError, ValueError, OSError) as error:  # pyarrow's complaints are ValueErrors
            yield Difference(PurePosixPath(name).parent.as_posix(), " ".join(str(error).split()))
