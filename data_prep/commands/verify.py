"""Recompute every hash and count of a tokenizer, tokens or packs folder, and compare them with its manifest.

in : a folder with a manifest.json      out: one line; exit 0, or 2 with the first difference
Invariant: nothing is believed: bytes are hashed, tokens counted, segments measured again. Nothing is written.
Run: python -m data_prep verify results/mine/packs/train
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from contracts.command_line import progress
from contracts.errors import InputError
from contracts.files import existing_folder
from contracts.fingerprint import sha256_file, sha256_value
from contracts.manifest import MANIFEST_NAME, read_manifest
from contracts.packs import PackReader, PackRow
from contracts.token_files import TokensReader, refuse_repeated_ids
from contracts.tokenizer import load_tokenizer
from contracts.tokens import MASKED

RELEASE_ROWS = 64  # rows between two times that pages are given back

# Snakemake marks every folder that a rule makes with an empty file of this name.
SNAKEMAKE_STAMP = ".snakemake_timestamp"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a tokenizer, tokens or packs folder")


def run(arguments: argparse.Namespace) -> None:
    folder = existing_folder(arguments.folder, "name a folder that data_prep made")
    if not any(folder.iterdir()):
        raise InputError(f"{folder}: an empty folder; name one that data_prep made (a tokenizer, tokens or packs)")
    manifest = read_manifest(folder)
    check = check_of_stage(folder, manifest)
    verify_files(folder, manifest)
    check(folder, manifest["counts"])
    print(f"{folder}: {len(manifest['outputs'])} files and every count are as {MANIFEST_NAME} says")


def check_of_stage(folder: Path, manifest: dict) -> Callable[[Path, dict], None]:
    """The check that recounts what a stage made."""
    checks = {
        "tokenizer": verify_tokenizer,
        "tokenize": verify_tokens,
        "mix": verify_tokens,
        "augment": verify_pairs,
        "pack": verify_packs,
    }
    if manifest.get("stage") not in checks:
        raise InputError(f"{folder}: made by stage {manifest.get('stage')!r}; data_prep verifies {', '.join(checks)}")
    return checks[manifest["stage"]]


def verify_files(folder: Path, manifest: dict) -> None:
    """The folder holds the files of the manifest, byte for byte, and no others; the settings hash is theirs."""
    expect(
        f"{folder}/{MANIFEST_NAME}: settings_sha256", manifest["settings_sha256"], sha256_value(manifest["settings"])
    )
    names = {path.name for path in folder.iterdir()} - {MANIFEST_NAME, SNAKEMAKE_STAMP}
    expect(f"{folder}: files", sorted(manifest["outputs"]), sorted(names))
    for name in progress(sorted(names), description="hashing", unit="file"):
        expect(f"{folder / name}: bytes", manifest["outputs"][name]["bytes"], (folder / name).stat().st_size)
        expect(f"{folder / name}: sha256", manifest["outputs"][name]["sha256"], sha256_file(folder / name))


def verify_tokenizer(folder: Path, counts: dict) -> None:
    """The tokenizer loads and has the tokens that the manifest counts."""
    tokenizer = load_tokenizer(folder)
    counted = {"tokens": tokenizer.vocab_size, "special_tokens": len(tokenizer.special_tokens)}
    expect(f"{folder}: counts", counts, counted)


def verify_tokens(folder: Path, counts: dict) -> None:
    """Documents and tokens are as many as the manifest counts, every id is unique and every token in the vocabulary."""
    reader = TokensReader(folder)
    refuse_repeated_ids(reader)
    expect(f"{folder}: documents", counts["documents"]["out"], len(reader))
    expect(f"{folder}: tokens", counts["tokens"]["out"], int(reader.lengths.sum()))
    if "text" in counts["tokens"]:
        expect(f"{folder}: tokens", counts["tokens"]["out"], counts["tokens"]["text"] + counts["tokens"]["added"])
    expect(f"{folder}: characters", counts["characters"]["out"], int(reader.characters.sum()))
    for name in ("documents", "characters", "tokens"):
        expect_balance(f"{folder}: {name}", counts[name])
    for batch in reader.batches:
        refuse_foreign_ids(f"{folder}", batch.values, reader.metadata.vocab_size)
        reader.release()
    for index in np.flatnonzero(reader.supervised).tolist():
        for name in ("label_spans", "evidence_spans"):
            refuse_broken_spans(
                f"{folder}: document {reader.id(index)}", reader.spans(name, index), reader.lengths[index]
            )


def verify_pairs(folder: Path, counts: dict) -> None:
    """Each x is followed by its x', which has the same answer and differs in as many tokens as the manifest counts."""
    reader = TokensReader(folder)
    refuse_repeated_ids(reader)
    expect(f"{folder}: documents", counts["documents"]["out"], len(reader))
    expect(f"{folder}: tokens", counts["tokens"]["out"], int(reader.lengths.sum()))
    expect(f"{folder}: tokens of x", counts["tokens"]["in"], int(reader.lengths[::2].sum()))
    expect(f"{folder}: documents of a group", 2, reader.metadata.together)
    masked = 0
    for index in range(0, len(reader), 2):
        name = reader.id(index)
        expect(f"{folder}: document {index + 1}", name + MASKED, reader.id(index + 1))
        expect(f"{folder}: answer of {name}", *(answer_of(reader, each) for each in (index, index + 1)))
        if reader.lengths[index] == reader.lengths[index + 1]:
            masked += int((reader.tokens(index) != reader.tokens(index + 1)).sum())
    for batch in reader.batches:
        refuse_foreign_ids(f"{folder}", batch.values, reader.metadata.vocab_size)
        reader.release()
    expect(f"{folder}: masked tokens", counts["tokens"]["masked"], masked)
    gone = 2 * counts["tokens"]["in"] - counts["tokens"]["dropped"]
    expect(f"{folder}: tokens out = 2 in - dropped", counts["tokens"]["out"], gone)


def answer_of(reader: TokensReader, index: int) -> list[int]:
    """The tokens of a sample that are learned."""
    ids = reader.tokens(index)
    return [token for begin, end in reader.spans("label_spans", index) for token in ids[begin:end].tolist()]


def verify_packs(folder: Path, counts: dict) -> None:
    """Every row is tiled by aligned segments, its padding is padding, and all add up to the manifest's counts."""
    reader = PackReader(folder)
    tokens = segments = 0
    for number, row in enumerate(progress(reader, description="counting", unit="row", total=len(reader))):
        refuse_broken_row(f"{folder}: row {number}", row, reader)
        tokens += int(row.segment_tokens.sum())
        segments += len(row.segment_tokens)
        if number % RELEASE_ROWS == 0:
            reader.release()
    for name in ("documents", "tokens"):
        expect_balance(f"{folder}: {name}", counts[name])
    expect(f"{folder}: rows", counts["rows"], len(reader))
    expect(f"{folder}: segments", counts["segments"], segments)
    expect(f"{folder}: tokens", counts["tokens"]["out"], tokens)
    expect(f"{folder}: padding_tokens", counts["padding_tokens"], len(reader) * reader.metadata.length - tokens)


def refuse_broken_row(where: str, row: PackRow, reader: PackReader) -> None:
    """InputError where a row breaks a promise of contracts.packs."""
    metadata = reader.metadata
    expect(f"{where}: sum of segment_lengths", metadata.length, int(row.segment_lengths.sum()))
    real = row.positions() < np.repeat(row.segment_tokens, row.segment_lengths)
    faults = {
        "segment lengths off the alignment": row.segment_lengths % metadata.alignment != 0,
        "segments without tokens": row.segment_tokens < 1,
        "segments with more tokens than their length": row.segment_tokens > row.segment_lengths,
        "padding that is not the padding id": row.input_ids[~real] != metadata.padding_id,
    }
    for fault, places in faults.items():
        expect(f"{where}: {fault}", 0, int(np.count_nonzero(places)))
    refuse_foreign_ids(where, row.input_ids, metadata.vocab_size)
    for spans in (row.label_spans, row.evidence_spans):
        refuse_broken_spans(where, spans, metadata.length)


def refuse_broken_spans(where: str, spans: np.ndarray | None, length: int) -> None:
    """InputError where a span is empty, lies outside, or begins before the one before it."""
    if spans is not None and len(spans):
        broken = (spans[:, 0] < 0) | (spans[:, 1] > length) | (spans[:, 0] >= spans[:, 1])
        expect(f"{where}: spans outside or empty", 0, int(np.count_nonzero(broken)))
        expect(f"{where}: spans out of order", 0, int(np.count_nonzero(np.diff(spans[:, 0]) < 0)))


def refuse_foreign_ids(where: str, ids: np.ndarray, vocab_size: int) -> None:
    """InputError where an id lies outside the vocabulary."""
    outside = int(np.count_nonzero((ids < 0) | (ids >= vocab_size)))
    expect(f"{where}: ids outside the vocabulary of {vocab_size}", 0, outside)


def expect_balance(what: str, counts: dict) -> None:
    """in = out + dropped"""
    expect(f"{what}: in = out + dropped", counts["in"], counts["out"] + sum(counts["dropped"].values()))


def expect(what: str, said: object, actual: object) -> None:
    """InputError with the first difference between what is said and what is found."""
    if said != actual:
        raise InputError(f"{what}: should be {said}, found {actual}; make the folder again")
