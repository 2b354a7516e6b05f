"""Turn the records of a corpus into Arrow token files, in worker processes.

in : a corpus (--source, --input, --split) and a tokenizer
out: tokens-00000.arrow ..., manifest.json, and quarantine.jsonl where bad records were set aside
Invariants: the bytes of the output do not depend on --workers, on how folders are listed, on the hash seed, the
time zone or the locale; every record is in, or counted under a reason, or the run stops. A run that was killed goes
on from its finished shards, which wait in OUTPUT.partial.
Run: python -m data_prep tokenize --input resources/pg19 --tokenizer results/mine/tokenizer --output results/mine/tokens
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import cache, partial
from importlib import import_module, metadata
from pathlib import Path

from contracts.chat_template import template_text
from contracts.code_reach import code_facts
from contracts.command_line import positive_int, progress
from contracts.errors import InputError
from contracts.files import atomic_text, replace_folder
from contracts.fingerprint import sha256_file, sha256_text, sha256_value
from contracts.manifest import MANIFEST_NAME, build_manifest, describe_files, replaceable, write_manifest
from contracts.settings import load_settings, validated
from contracts.tokenizer import load_tokenizer
from contracts.tokens import TokensMetadata
from data_prep.commands.corpus_arguments import add_corpus_arguments, corpus_of
from data_prep.parallel import map_in_processes
from data_prep.settings import CorpusSettings, TokenizeSettings
from data_prep.sources import CONVERSATIONS, ENCODERS, QUESTION_ENCODER
from data_prep.sources.source import MEGABYTE, Shard, Source, open_source
from data_prep.tokenizer.usable import load_usable_tokenizer
from data_prep.tokens.encode import Encoder
from data_prep.tokens.finish import KEY_NAME, finish_shards
from data_prep.tokens.quarantine import QUARANTINE_NAME
from data_prep.tokens.shard import Job, is_finished, shard_path, tokenize_shard

PACKAGES = ("pyarrow", "sentencepiece", "tiktoken", "tokenizers")
# How the files in OUTPUT.partial begin.
OWN_NAMES = ("tokens-", QUARANTINE_NAME, MANIFEST_NAME, KEY_NAME)
FEWER_WORKERS = "give fewer --workers and run again: finished shards are kept"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_corpus_arguments(parser)
    parser.add_argument("--split", default="train", help="split of the corpus (default: train)")
    parser.add_argument(
        "--tokenizer", type=Path, required=True, metavar="PATH", help="a folder, a tokenizer.model or a tokenizer.json"
    )
    parser.add_argument("--settings", metavar="S", help="the tokenize settings: a YAML file or JSON text")
    parser.add_argument("--bos", action=argparse.BooleanOptionalAction, help="BOS before every document")
    parser.add_argument("--eos", action=argparse.BooleanOptionalAction, help="EOS after every document")
    parser.add_argument("--workers", type=positive_int, default=os.cpu_count(), metavar="N", help="processes")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="the tokens folder to make")


def run(arguments: argparse.Namespace) -> None:
    replaceable(arguments.output, "tokenize")
    settings, corpus = settings_of(arguments), corpus_of(arguments)
    tokenizer = load_usable_tokenizer(arguments.tokenizer, bos=settings.bos, eos=settings.eos)
    source = open_source(corpus, arguments.split)
    template = template_for(corpus, settings, arguments.tokenizer)
    files = hash_files(source, arguments.workers)
    places = ENCODERS[corpus.source] == QUESTION_ENCODER
    source_metadata = TokensMetadata(
        tokenizer.digest, tokenizer.vocab_size, sha256_value(files), tool_versions(), places=places
    )
    roots = ("data_prep.commands.tokenize", f"data_prep.sources.{corpus.source}", ENCODERS[corpus.source])
    code = code_facts(*roots)
    decisive = decisive_settings(settings, corpus, source, template)
    partial_folder = arguments.output.with_name(f"{arguments.output.name}.partial")
    keep_only_if_made_alike(partial_folder, {**code, "settings": decisive, **source_metadata.to_arrow()})
    # A worker reads the parts of its shard; the list of all files stays here.
    reading = replace(source, paths=())
    job = Job(reading, corpus, arguments.tokenizer, settings, template, source_metadata, partial_folder)
    # A template that does not fit ends the run here, before any work.
    worker_encoder(ENCODERS[corpus.source], arguments.tokenizer, settings, corpus, template)
    shards = source.shards(settings.shard_megabytes * MEGABYTE)
    tokenize_missing_shards(job, shards, arguments.workers)
    counts = finish_shards(job, shards, tokenizer) | {"source": dict(source.facts)}
    quarantine = [path for path in [partial_folder / QUARANTINE_NAME] if path.is_file()]
    manifest = build_manifest(
        stage="tokenize",
        inputs={"tokenizer": tokenizer.digest, "source": source.name, "files": files},
        outputs=describe_files([*(shard_path(partial_folder, shard.number) for shard in shards), *quarantine]),
        settings=decisive,
        code=code,
        counts=counts,
        packages=PACKAGES,
    )
    finish(partial_folder, arguments.output, manifest)
    report(arguments.output, counts)


def settings_of(arguments: argparse.Namespace) -> TokenizeSettings:
    """The settings, with the flags that were typed in place of theirs."""
    settings = load_settings(TokenizeSettings, arguments.settings) if arguments.settings else TokenizeSettings()
    typed = {key: value for key in ("bos", "eos") if (value := getattr(arguments, key)) is not None}
    return validated(TokenizeSettings, settings.model_dump() | typed, "tokenize")


def template_for(corpus: CorpusSettings, settings: TokenizeSettings, tokenizer_path: Path) -> str:
    """The text of the chat template, for sources of samples; empty for documents."""
    if ENCODERS[corpus.source] not in CONVERSATIONS:
        return ""
    return template_text(settings.samples.chat_template, tokenizer_path)


def decisive_settings(settings: TokenizeSettings, corpus: CorpusSettings, source: Source, template: str) -> dict:
    """The settings that the bytes depend on; a template counts by its content, not by its place."""
    decisive = settings.model_dump(mode="json", exclude={"samples"}) | {"corpus": corpus.decisive()}
    if template:
        samples = settings.samples.model_dump(mode="json", exclude={"chat_template"})
        decisive["samples"] = samples | {"chat_template_sha256": sha256_text(template)}
    return decisive | {"source": source.name}


def tool_versions() -> str:
    """The tools that decide the ids and the bytes of the files."""
    return ", ".join(f"{package} {metadata.version(package)}" for package in PACKAGES)


def hash_files(source: Source, workers: int) -> dict[str, dict]:
    """{name: {sha256, bytes}} of every file of the source; names are relative to its folder."""
    paths = source.files()
    digests = map_in_processes(sha256_file, paths, workers if len(paths) > 1000 else 1, FEWER_WORKERS)
    digests = progress(digests, description="hashing", unit="file", total=len(paths))
    return {
        path.relative_to(source.root).as_posix(): {"sha256": digest, "bytes": path.stat().st_size}
        for path, digest in zip(paths, digests, strict=True)
    }


def keep_only_if_made_alike(folder: Path, key: dict) -> None:
    """Keep the finished shards of an earlier try, unless they come from other input, settings or code."""
    try:
        alike = json.loads((folder / KEY_NAME).read_text(encoding="utf-8")) == key
    except (OSError, ValueError):
        alike = False
    if not alike:
        refuse_foreign(folder)
        shutil.rmtree(folder, ignore_errors=True)
        atomic_text(folder / KEY_NAME, json.dumps(key))


def refuse_foreign(folder: Path) -> None:
    """InputError where a folder of shards holds anything else: it is about to be emptied."""
    foreign = [path.name for path in folder.glob("*") if not path.name.startswith(OWN_NAMES)]
    if foreign:
        raise InputError(
            f"{folder}: holds {min(foreign)}, which is not of this command; move it or name another output"
        )


def tokenize_missing_shards(job: Job, shards: Iterable[Shard], workers: int) -> None:
    """Write every shard that an earlier try has not finished."""
    missing = [shard for shard in shards if not is_finished(job.folder, shard.number)]
    done = map_in_processes(partial(work, job), missing, workers, FEWER_WORKERS)
    for _ in progress(done, description="tokenizing", unit="shard", total=len(missing)):
        pass


def work(job: Job, shard: Shard) -> int:
    """One shard in a worker process."""
    encoder = worker_encoder(ENCODERS[job.corpus.source], job.tokenizer_path, job.settings, job.corpus, job.template)
    return tokenize_shard(job, encoder, shard)


@cache
def worker_encoder(
    place: str, tokenizer_path: Path, settings: TokenizeSettings, corpus: CorpusSettings, template: str
) -> Encoder:
    """The encoder of this process, by its place in ENCODERS: a worker loads its tokenizer once, not once a shard."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)(load_tokenizer(tokenizer_path), settings, corpus, template)


def finish(partial_folder: Path, output: Path, manifest: dict) -> None:
    """Leave only what the manifest names, and give the folder its name."""
    try:
        write_manifest(partial_folder / MANIFEST_NAME, manifest)
        for leftover in partial_folder.iterdir():
            if leftover.name not in {*manifest["outputs"], MANIFEST_NAME, KEY_NAME}:
                leftover.unlink()
        (partial_folder / KEY_NAME).unlink(missing_ok=True)
        replace_folder(partial_folder, output)
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror}); choose another place") from error


def report(output: Path, counts: dict) -> None:
    """One line of result; one line of warning where metadata.csv and the books disagree."""
    documents, tokens = counts["documents"]["out"], counts["tokens"]["out"]
    print(f"{output}: {documents} documents, {tokens} tokens")
    for reason, count in counts["documents"]["dropped"].items():
        print(f"note: {count} records dropped: {reason}", file=sys.stderr)
    for fact, count in counts["source"].items():
        if count:
            print(f"note: {count} {fact.replace('_', ' ')}", file=sys.stderr)
