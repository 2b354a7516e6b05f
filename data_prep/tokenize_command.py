"""Turn the documents of a corpus into Arrow token files, in worker processes.

in : a corpus (--source, --input, --split) and a tokenizer      out: tokens-00000.arrow ..., manifest.json
Invariants: the bytes of the output do not depend on --workers, on how folders are listed, on the hash seed, the
time zone or the locale; every character of every document is in, or the run stops. A run that was killed goes on
from its finished shards, which wait in OUTPUT.partial.
Run: python -m data_prep tokenize --input resources/pg19 --tokenizer results/mine/tokenizer --output results/mine/tokens
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterable
from functools import cache, partial
from importlib import metadata
from pathlib import Path

from contracts.command_line import positive_int, progress
from contracts.errors import InputError
from contracts.files import atomic_text, replace_folder
from contracts.fingerprint import code_fingerprint, sha256_file, sha256_value
from contracts.manifest import MANIFEST_NAME, build_manifest, describe_files, write_manifest
from contracts.settings import load_settings, validated
from contracts.tokenizer import Tokenizer, load_tokenizer
from contracts.tokens import TokensMetadata
from data_prep.parallel import map_in_processes
from data_prep.sources.source import SOURCES, Shard, Source, open_source
from data_prep.tokenize_settings import TokenizeSettings
from data_prep.tokenize_shard import Job, counts_path, is_finished, shard_path, tokenize_shard
from data_prep.tokens_reader import refuse_duplicate_ids

PACKAGES = ("pyarrow", "sentencepiece", "tokenizers")
KEY_NAME = "key.json"
MEGABYTE = 1_000_000
FEWER_WORKERS = "give fewer --workers and run again: finished shards are kept"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", choices=SOURCES, default="pg19", help="format of the corpus (default: pg19)")
    parser.add_argument("--input", type=Path, required=True, metavar="PATH", help="the corpus")
    parser.add_argument("--split", default="train", help="split of the corpus (default: train)")
    parser.add_argument("--line-ends", choices=("lf", "keep"), default="lf", help="lf (default): CRLF is read as LF")
    parser.add_argument(
        "--tokenizer", type=Path, required=True, metavar="PATH", help="a tokenizer folder, .model or tokenizer.json"
    )
    parser.add_argument("--settings", metavar="S", help="the tokenize settings: a YAML file or JSON text")
    parser.add_argument("--bos", action=argparse.BooleanOptionalAction, help="BOS before every document")
    parser.add_argument("--eos", action=argparse.BooleanOptionalAction, help="EOS after every document")
    parser.add_argument("--workers", type=positive_int, default=os.cpu_count(), metavar="N", help="processes")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="the tokens folder to make")


def run(arguments: argparse.Namespace) -> None:
    settings = settings_of(arguments)
    tokenizer = usable_tokenizer(arguments.tokenizer, settings)
    source = open_source(arguments.source, arguments.input, arguments.split)
    files = hash_files(source, arguments.workers)
    source_metadata = TokensMetadata(tokenizer.digest, tokenizer.vocab_size, sha256_value(files), tool_versions())
    code = code_fingerprint("data_prep.tokenize_command", f"data_prep.sources.{arguments.source}")
    decisive = settings.model_dump() | {"source": source.name, "line_ends": arguments.line_ends}
    partial_folder = arguments.output.with_name(f"{arguments.output.name}.partial")
    keep_only_if_made_alike(partial_folder, {"code": code, "settings": decisive, **source_metadata.to_arrow()})
    job = Job(source, arguments.tokenizer, settings, arguments.line_ends, source_metadata, partial_folder)
    shards = source.shards(settings.shard_megabytes * MEGABYTE)
    tokenize_missing_shards(job, shards, arguments.workers)
    counts = total_counts(job, shards)
    manifest = build_manifest(
        stage="tokenize",
        inputs={"tokenizer": tokenizer.digest, "source": source.name, "files": files},
        outputs=describe_files(shard_path(partial_folder, shard.number) for shard in shards),
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


def usable_tokenizer(path: Path, settings: TokenizeSettings) -> Tokenizer:
    """The tokenizer, refused where the settings ask for a token that it does not have."""
    tokenizer = load_tokenizer(path)
    for name, wanted, token in (("bos", settings.bos, tokenizer.bos_id), ("eos", settings.eos, tokenizer.eos_id)):
        if wanted and token is None:
            cure = f"set {name}: false, or name its {name}_token in tokenizer_config.json"
            raise InputError(f"{path}: the tokenizer has no {name.upper()} token; {cure}")
    return tokenizer


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
        shutil.rmtree(folder, ignore_errors=True)
        atomic_text(folder / KEY_NAME, json.dumps(key))


def tokenize_missing_shards(job: Job, shards: Iterable[Shard], workers: int) -> None:
    """Write every shard that an earlier try has not finished."""
    missing = [shard for shard in shards if not is_finished(job.folder, shard.number)]
    done = map_in_processes(partial(work, job), missing, workers, FEWER_WORKERS)
    for _ in progress(done, description="tokenizing", unit="shard", total=len(missing)):
        pass


def work(job: Job, shard: Shard) -> int:
    """One shard in a worker process."""
    return tokenize_shard(job, worker_tokenizer(job.tokenizer_path), shard)


@cache
def worker_tokenizer(path: Path) -> Tokenizer:
    """The tokenizer of this process: a worker loads it once, not once a shard."""
    return load_tokenizer(path)


def total_counts(job: Job, shards: Iterable[Shard]) -> dict:
    """The counts of the manifest: for documents, characters and tokens, in = out + dropped."""
    total: dict[str, int] = {}
    for shard in shards:
        for name, count in json.loads(counts_path(job.folder, shard.number).read_text()).items():
            total[name] = total.get(name, 0) + count
    added = total["bos_tokens"] + total["eos_tokens"]
    line_ends = total["characters_in"] - total["characters_out"]
    return {
        "documents": {"in": total["documents"], "out": total["documents"], "dropped": {}},
        "characters": {
            "in": total["characters_in"],
            "out": total["characters_out"],
            "dropped": {"CR of CRLF line ends": line_ends} if line_ends else {},
        },
        "tokens": {"text": total["text_tokens"], "added": added, "out": total["text_tokens"] + added},
        "source": dict(job.source.facts),
    }


def finish(partial_folder: Path, output: Path, manifest: dict) -> None:
    """Check the ids, leave only what the manifest names, and give the folder its name."""
    refuse_duplicate_ids(partial_folder)
    for leftover in partial_folder.iterdir():
        if leftover.name not in manifest["outputs"]:
            leftover.unlink()
    write_manifest(partial_folder / MANIFEST_NAME, manifest)
    replace_folder(partial_folder, output)


def report(output: Path, counts: dict) -> None:
    """One line of result; one line of warning where metadata.csv and the books disagree."""
    documents, tokens = counts["documents"]["out"], counts["tokens"]["out"]
    print(f"{output}: {documents} documents, {tokens} tokens")
    for fact, count in counts["source"].items():
        if count:
            print(f"note: {count} {fact.replace('_', ' ')}", file=sys.stderr)
