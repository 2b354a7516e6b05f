"""Make the tokenizer folder of a run: train a sentencepiece BPE on a corpus, or take in a given tokenizer.

in : a corpus (--input, --split), or --tokenizer PATH (a folder, a tokenizer.model or a tokenizer.json)
out: tokenizer.model and/or tokenizer.json + tokenizer_config.json, manifest.json
Invariant: transformers' AutoTokenizer.from_pretrained(FOLDER) gives the ids of load_tokenizer(FOLDER).
Run: python -m data_prep tokenizer --input resources/pg19 --vocab-size 4096 --output results/mine/tokenizer
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from contracts.code_reach import code_facts
from contracts.command_line import positive_int, progress
from contracts.companion_files import read_companion
from contracts.errors import InputError
from contracts.files import atomic_folder
from contracts.huggingface_tokenizer import HuggingFaceTokenizer
from contracts.manifest import MANIFEST_NAME, build_manifest, describe_files, replaceable, write_manifest
from contracts.settings import load_settings, validated
from contracts.tiktoken_tokenizer import TiktokenTokenizer
from contracts.tokenizer import copy_tokenizer, load_tokenizer, tokenizer_files
from data_prep.commands.corpus_arguments import add_corpus_arguments, corpus_of, names_a_corpus
from data_prep.settings import CorpusSettings, TokenizerSettings
from data_prep.sources.source import BadRecord, Document, Sample, Source, open_source
from data_prep.tokenizer.huggingface import (
    ranks_config,
    ranks_to_huggingface,
    same_ids,
    sentencepiece_config,
    sentencepiece_to_huggingface,
)
from data_prep.tokenizer.training import spread_order, train_sentencepiece
from data_prep.tokenizer.usable import load_usable_tokenizer

# Reading order is shuffled in units of this size, so that a limited amount of text comes from all over the corpus.
READ_BYTES = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_corpus_arguments(parser)
    parser.add_argument("--split", help="split of the corpus to train on (default: train)")
    parser.add_argument("--settings", metavar="S", help="the tokenizer settings: a YAML file or JSON text")
    parser.add_argument("--vocab-size", type=positive_int, metavar="N", help="tokens of a tokenizer trained here")
    parser.add_argument("--tokenizer", metavar="PATH", help="take in this tokenizer, train none")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="the tokenizer folder to make")


def run(arguments: argparse.Namespace) -> None:
    replaceable(arguments.output, "tokenizer")
    settings = settings_of(arguments)
    corpus = None if settings.path else corpus_to_train_on(arguments)
    with atomic_folder(arguments.output) as folder:
        if corpus is None:
            load_usable_tokenizer(Path(settings.path))
            inputs = {"tokenizer": describe_files(tokenizer_files(settings.path))}
            copy_tokenizer(settings.path, folder)
            code = code_facts("data_prep.commands.tokenizer")
        else:
            inputs = train(corpus, settings, folder)
            code = code_facts("data_prep.commands.tokenizer", f"data_prep.sources.{corpus.source}")
        add_huggingface_files(folder)
        tokenizer = load_tokenizer(folder)
        manifest = build_manifest(
            stage="tokenizer",
            inputs=inputs,
            outputs=describe_files(folder.iterdir()),
            settings=recorded(settings, corpus),
            code=code,
            counts={"tokens": tokenizer.vocab_size, "special_tokens": len(tokenizer.special_tokens)},
            packages=("sentencepiece", "tiktoken", "tokenizers"),
        )
        write_manifest(folder / MANIFEST_NAME, manifest)
    print(f"{arguments.output}: {tokenizer.vocab_size} tokens, digest {tokenizer.digest[:12]}")


def settings_of(arguments: argparse.Namespace) -> TokenizerSettings:
    """The settings, with the flags that were typed in place of theirs."""
    settings = load_settings(TokenizerSettings, arguments.settings) if arguments.settings else TokenizerSettings()
    typed = {"path": arguments.tokenizer, "vocab_size": arguments.vocab_size, "split": arguments.split}
    given = {key: value for key, value in typed.items() if value is not None}
    return validated(TokenizerSettings, settings.model_dump() | given, "tokenizer")


def corpus_to_train_on(arguments: argparse.Namespace) -> CorpusSettings:
    """The corpus that the arguments name; InputError where they name neither a corpus nor a tokenizer."""
    if not names_a_corpus(arguments):
        raise InputError("tokenizer: nothing to train on; give --input FOLDER, or --tokenizer PATH to use a given one")
    return corpus_of(arguments)


def recorded(settings: TokenizerSettings, corpus: CorpusSettings | None) -> dict:
    """The settings that decide the result; a given tokenizer is named by its digest, not by its place."""
    return {} if corpus is None else settings.model_dump(exclude={"path"}) | {"corpus": corpus.decisive()}


def train(corpus: CorpusSettings, settings: TokenizerSettings, folder: Path) -> dict:
    """Train on the corpus into `folder`; what went in, for the manifest."""
    source = open_source(corpus, settings.split)
    texts = (record.text for record in read_spread(source, corpus))
    (folder / "tokenizer.model").write_bytes(train_sentencepiece(texts, settings, corpus.line_ends))
    return {"source": source.name, "files": describe_files(source.files(), source.root)}


def read_spread(source: Source, corpus: CorpusSettings) -> Iterator[Document | Sample]:
    """The records of a source, in an order that is spread over it and the same everywhere; bad ones end the run
    or, where the corpus sets them aside, are passed over (tokenizing counts them)."""
    shards = sorted(source.shards(READ_BYTES), key=lambda shard: spread_order(str(shard.number)))
    for shard in progress(shards, description="reading", unit="part"):
        for record in source.records(shard):
            if not isinstance(record, BadRecord):
                yield record
            elif corpus.on_bad_record == "stop":
                raise record.error()


def add_huggingface_files(folder: Path) -> None:
    """Put tokenizer.json beside a tokenizer.model that has none, where it can give the same ids."""
    model, tokenizer = folder / "tokenizer.model", load_tokenizer(folder)
    if not model.is_file() or isinstance(tokenizer, HuggingFaceTokenizer):
        return
    if isinstance(tokenizer, TiktokenTokenizer):
        exported = ranks_to_huggingface(tokenizer)
        config = ranks_config(tokenizer, read_companion(folder / "tokenizer_config.json"))
    else:
        exported, config = sentencepiece_to_huggingface(model), sentencepiece_config(model)
    if not same_ids(tokenizer, exported):
        reason = "does what tokenizer.json cannot say; transformers' AutoTokenizer will not load it"
        print(f"{model.name}: {reason}", file=sys.stderr)
        return
    exported.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(config, encoding="utf-8")
