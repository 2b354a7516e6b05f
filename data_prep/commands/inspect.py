"""Show what a tokenizer, tokens or packs folder holds: counts, lengths as a histogram, padding, a decoded sample.

in : a folder that data_prep made      out: a summary for people, or with --json one JSON object
Invariant: the folder is only read; --json holds every number that the summary and the plot show.
Run: python -m data_prep inspect results/mine/packs/train
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from contracts.errors import InputError
from contracts.files import existing_folder
from contracts.manifest import read_manifest
from contracts.tokenizer import Tokenizer, load_tokenizer
from data_prep.inspection.description import describe_packs, describe_tokenizer, describe_tokens
from data_prep.inspection.display import draw_histograms, summary_lines


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a tokenizer, tokens or packs folder")
    parser.add_argument("--tokenizer", type=Path, metavar="PATH", help="decodes the sample (default: the run's own)")
    parser.add_argument("--row", type=int, default=0, metavar="N", help="the document or row to show (default: 0)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the summary")
    parser.add_argument("--plot", type=plot_file, metavar="FILE.svg", help="also draw the histograms to a file")


def run(arguments: argparse.Namespace) -> None:
    folder = existing_folder(arguments.folder, "name a folder that data_prep made")
    if not any(folder.iterdir()):
        raise InputError(f"{folder}: an empty folder; name one that data_prep made (a tokenizer, tokens or packs)")
    stage = read_manifest(folder).get("stage")
    describe: dict[str, Callable[[], dict]] = {
        "tokenizer": lambda: describe_tokenizer(folder),
        "tokenize": lambda: describe_tokens(folder, arguments.row, lambda digest: find_tokenizer(arguments, digest)),
        "mix": lambda: describe_tokens(folder, arguments.row, lambda digest: find_tokenizer(arguments, digest)),
        "augment": lambda: describe_tokens(folder, arguments.row, lambda digest: find_tokenizer(arguments, digest)),
        "pack": lambda: describe_packs(folder, arguments.row, lambda digest: find_tokenizer(arguments, digest)),
    }
    if stage not in describe:
        raise InputError(f"{folder}: made by stage {stage!r}; data_prep inspects {', '.join(describe)}")
    description = describe[stage]()
    if arguments.plot:
        draw_histograms(description, arguments.plot)
    print(json.dumps(description, indent=1) if arguments.json else "\n".join(summary_lines(description)))


def plot_file(text: str) -> Path:
    """argparse type: the path of a picture."""
    if Path(text).suffix != ".svg":
        raise argparse.ArgumentTypeError(f"{text} does not end in .svg")
    return Path(text)


def find_tokenizer(arguments: argparse.Namespace, digest: str) -> Tokenizer | None:
    """The tokenizer that made the ids: the one given, or the `tokenizer` folder of the same run; None if neither."""
    if arguments.tokenizer:
        tokenizer = load_tokenizer(arguments.tokenizer)
        if tokenizer.digest != digest:
            raise InputError(
                f"{arguments.tokenizer}: not the tokenizer of {arguments.folder}; name the one that made it"
            )
        return tokenizer
    for parent in arguments.folder.resolve().parents:
        try:
            tokenizer = load_tokenizer(parent / "tokenizer")
        except InputError:
            continue
        if tokenizer.digest == digest:
            return tokenizer
    return None
