"""Score the chunks of every training sample against its question.

in : a tokens folder of samples whose question and long text have known places; the tokenizer that made it
out: a folder of ranks.jsonl (contracts.ranks) and manifest.json
Invariant: every sample is ranked, in the order of the tokens folder, or the run stops with nothing written.
run: python -m eval rank --tokens results/mine/tokens/train --tokenizer results/mine/tokenizer \
     --settings '{"chunk_length": 128}' --output results/mine/ranks/train
"""

import argparse
from pathlib import Path

from contracts.code_reach import code_facts
from contracts.command_line import progress
from contracts.errors import InputError
from contracts.files import atomic_folder
from contracts.manifest import MANIFEST_NAME, build_manifest, describe_files, read_manifest, replaceable, write_manifest
from contracts.packs import refuse_changed_sizes
from contracts.ranks import RANKS_NAME, STAGE
from contracts.settings import load_settings
from contracts.token_files import TokensReader
from contracts.tokenizer import load_tokenizer
from eval.inference.ranking import chunk_scorer, ranking_of
from eval.inference.settings import RankSettings

RELEASE_SAMPLES = 64  # samples between two times that pages are given back


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add = parser.add_argument
    add("--tokens", type=Path, required=True, metavar="FOLDER", help="a tokens folder (source quality, qasper or nq)")
    add("--tokenizer", required=True, metavar="PATH", help="the tokenizer that made it")
    add("--settings", default="{}", metavar="S", help="the rank settings: a YAML file or JSON text")
    add("--section", help="key of the settings file that holds them, e.g. rank")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where Contriever runs")
    add("--output", type=Path, required=True, metavar="FOLDER", help="the ranks folder to make")


def run(arguments: argparse.Namespace) -> None:
    """Rank one tokens folder."""
    replaceable(arguments.output, STAGE)
    settings = load_settings(RankSettings, arguments.settings, arguments.section)
    tokens_manifest = read_manifest(arguments.tokens)
    refuse_changed_sizes(arguments.tokens, tokens_manifest["outputs"])
    reader, tokenizer = TokensReader(arguments.tokens), load_tokenizer(arguments.tokenizer)
    if not reader.metadata.places:
        raise InputError(f"{arguments.tokens}: does not know its samples' questions; use source quality, qasper or nq")
    if reader.metadata.tokenizer_digest != tokenizer.digest:
        raise InputError(f"{arguments.tokenizer}: not the tokenizer of {arguments.tokens}; name the one that made it")
    score = chunk_scorer(settings, arguments.device)
    chunks = 0
    with atomic_folder(arguments.output) as folder:
        with open(folder / RANKS_NAME, "w", encoding="utf-8", newline="\n") as lines:
            for index in progress(range(len(reader)), description="ranking", unit="sample"):
                ranking = ranking_of(reader, index, tokenizer, settings, score)
                lines.write(ranking.line())
                chunks += len(ranking.chunks)
                if index % RELEASE_SAMPLES == 0:
                    reader.release()
        manifest = build_manifest(
            stage=STAGE,
            inputs={
                "tokens": tokens_manifest["outputs"],
                "tokenizer": tokenizer.digest,
                "retriever": describe_retriever(settings),
            },
            outputs=describe_files([folder / RANKS_NAME]),
            settings=settings.model_dump(exclude={"retriever", "batch"}),
            code=code_facts("eval.commands.rank"),
            counts={"samples": len(reader), "chunks": chunks},
            packages=("torch", "transformers") if settings.retriever else ("bm25s", "numpy"),
        )
        write_manifest(folder / MANIFEST_NAME, manifest)
    print(f"{arguments.output}: {len(reader)} samples, {chunks} chunks")


def describe_retriever(settings: RankSettings) -> dict | str:
    """The files of Contriever with their hashes, or BM25's name."""
    if not settings.retriever:
        return "BM25"
    return describe_files(sorted(path for path in Path(settings.retriever).iterdir() if path.is_file()))
