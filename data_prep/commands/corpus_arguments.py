"""The flags that name a corpus, and the settings that they make: shared by all commands that read one.

in : --corpus S (the corpus section as a YAML file or JSON text) and/or --source, --input and one flag a setting
out: CorpusSettings; typed flags go before --corpus
"""

import argparse
from typing import get_args

from contracts.command_line import positive_int
from contracts.errors import InputError
from contracts.settings import load_settings, validated
from data_prep.settings import CorpusSettings, SourceName


def add_corpus_arguments(parser: argparse.ArgumentParser) -> None:
    """--corpus, --source, --input and the flags of how records are read."""
    add = parser.add_argument
    add("--corpus", metavar="S", help="the corpus settings: a YAML file or JSON text")
    add("--source", choices=get_args(SourceName), help="format of the corpus (default: pg19)")
    add("--input", dest="path", metavar="PATH", help="folder or file of the corpus")
    add("--line-ends", choices=("lf", "keep"), help="lf (default): CRLF is read as LF")
    add("--text-field", metavar="NAME", help="source text: the field with the text (default: text)")
    add("--id-field", metavar="NAME", help="the field with a record's id (default: id)")
    add("--on-bad-record", choices=("stop", "quarantine"), help="stop (default) at a bad record, or set it aside")
    add("--max-record-megabytes", type=positive_int, metavar="N", help="longest record in 10^6 bytes (default: 64)")


def corpus_of(arguments: argparse.Namespace) -> CorpusSettings:
    """The corpus that the arguments name; InputError where they name none."""
    given = load_settings(CorpusSettings, arguments.corpus).model_dump() if arguments.corpus else {}
    given |= {key: value for key in CorpusSettings.model_fields if (value := getattr(arguments, key, None)) is not None}
    if "path" not in given:
        raise InputError(f"{arguments.command}: no corpus; give --input PATH or --corpus S")
    return validated(CorpusSettings, given, arguments.command)


def names_a_corpus(arguments: argparse.Namespace) -> bool:
    """Whether a corpus was given at all."""
    return bool(arguments.corpus or arguments.path)
