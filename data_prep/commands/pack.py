"""Pack tokenized documents into rows of one length, ready for training.

in : a tokens folder      out: pack-00000.arrow ... (contracts.packs), manifest.json
Invariants: every token is in exactly one row or counted under the reason why not; every row is exactly L tokens,
tiled by segments that are multiples of A; the same tokens and settings give the same bytes.
Run: python -m data_prep pack --input results/mine/tokens --length 2048 --align 4 --output results/mine/packs
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from contracts.code_reach import code_facts
from contracts.command_line import positive_int, progress
from contracts.errors import InputError
from contracts.files import atomic_folder
from contracts.fingerprint import sha256_value
from contracts.manifest import MANIFEST_NAME, build_manifest, describe_files, read_manifest, replaceable, write_manifest
from contracts.packs import PackMetadata, refuse_changed_sizes
from contracts.settings import load_settings, validated
from contracts.token_files import TokensReader
from data_prep.packs.plan import Plan, plan_groups, plan_rows
from data_prep.packs.writer import rows_per_batch, write_packs
from data_prep.settings import PackSettings

PADDING_ID = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--input", type=Path, required=True, metavar="FOLDER", help="a tokens folder")
    parser.add_argument("--length", type=positive_int, metavar="L", help="tokens per row")
    parser.add_argument("--align", type=positive_int, metavar="A", help="pad segments to a multiple of A tokens")
    parser.add_argument(
        "--mode",
        choices=("concat", "best-fit", "truncate"),
        help="concat (default): cut long documents, pack tails by best fit; best-fit: samples stay whole; "
        "truncate: the first row of each document",
    )
    parser.add_argument("--rows", type=positive_int, metavar="N", help="keep at most N rows")
    parser.add_argument("--settings", metavar="S", help="the pack settings: a YAML file or JSON text")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="the packs folder to make")


def run(arguments: argparse.Namespace) -> None:
    replaceable(arguments.output, "pack")
    settings = settings_of(arguments)
    tokens_manifest = read_manifest(arguments.input)
    refuse_changed_sizes(arguments.input, tokens_manifest["outputs"])
    reader = TokensReader(arguments.input)
    if settings.mode != "best-fit":
        refuse_supervised(reader)
    plan = plan_of(reader, settings)
    metadata = metadata_of(reader, settings, tokens_manifest, plan)
    with atomic_folder(arguments.output) as folder:
        total = -(-len(plan) // metadata.rows_per_batch)
        for _ in progress(
            write_packs(folder, reader, plan, metadata), description="packing", unit="batch", total=total
        ):
            pass
        counts = count(reader, plan, settings)
        manifest = build_manifest(
            stage="pack",
            inputs={"tokens": tokens_manifest["outputs"], "tokenizer": reader.metadata.tokenizer_digest},
            outputs=describe_files(folder.glob("*.arrow")),
            settings=settings.model_dump(),
            code=code_facts("data_prep.commands.pack"),
            counts=counts,
            packages=("numpy", "pyarrow"),
            seed=settings.shuffle_seed,
        )
        write_manifest(folder / MANIFEST_NAME, manifest)
    share = counts["padding_tokens"] / max(counts["rows"] * settings.length, 1)
    print(f"{arguments.output}: {counts['rows']} rows of {settings.length} tokens, {share:.2%} padding")
    for reason, lost in counts["tokens"]["dropped"].items():
        print(f"note: {lost} tokens dropped: {reason}", file=sys.stderr)


def settings_of(arguments: argparse.Namespace) -> PackSettings:
    """The settings, with the flags that were typed in place of theirs."""
    typed = {
        "length": arguments.length,
        "alignment": arguments.align,
        "mode": arguments.mode,
        "rows": arguments.rows,
    }
    given = {key: value for key, value in typed.items() if value is not None}
    if arguments.settings:
        given = load_settings(PackSettings, arguments.settings).model_dump() | given
    elif "length" not in given:
        raise InputError("pack: no row length; give --length L or --settings S")
    return validated(PackSettings, given, "pack")


def refuse_supervised(reader: TokensReader) -> None:
    """InputError for the first document that says which of its tokens are supervised: cutting would part it."""
    if reader.supervised.any():
        name = reader.id(int(np.argmax(reader.supervised)))
        cure = "pack samples whole, with --mode best-fit"
        raise InputError(f"{reader.folder}: document {name} has supervised spans; {cure}")


def plan_of(reader: TokensReader, settings: PackSettings) -> Plan:
    """The rows; InputError where the settings would join documents of a group, or no group fits into a row."""
    together = reader.metadata.together
    if together == 1:
        return plan_rows(reader.lengths, settings, reader.supervised)
    if not settings.block_diagonal:
        raise InputError(
            f"{reader.folder}: its samples come in groups of {together}, which must not read each other; "
            "set block_diagonal: true"
        )
    plan = plan_groups(reader.lengths, settings, together)
    if len(reader) and not len(plan):
        shortest = reader.lengths.reshape(-1, together).sum(1).min()
        raise InputError(
            f"{reader.folder}: its samples come in groups of {together} that stay in one row; the shortest group has "
            f"{shortest} tokens, and a row {settings.length}; pack longer rows"
        )
    return plan


def metadata_of(reader: TokensReader, settings: PackSettings, tokens_manifest: dict, plan: Plan) -> PackMetadata:
    """What the pack files say of themselves; the fingerprint covers the settings and every token file's hash."""
    decisive = {
        "settings": settings.model_dump(),
        "tokens": tokens_manifest["outputs"],
        "source": reader.metadata.to_arrow(),
    }
    return PackMetadata(
        length=settings.length,
        alignment=settings.alignment,
        padding_id=PADDING_ID,
        vocab_size=reader.metadata.vocab_size,
        rows_per_batch=rows_per_batch(settings.length),
        block_diagonal=settings.block_diagonal,
        tokenizer_digest=reader.metadata.tokenizer_digest,
        fingerprint=sha256_value(decisive),
        together=reader.metadata.together,
        longest=int(plan.tokens.max(initial=0)) if reader.metadata.together > 1 else 0,
    )


def count(reader: TokensReader, plan: Plan, settings: PackSettings) -> dict:
    """The counts of the manifest: tokens in = out + dropped."""
    kept = int(plan.tokens.sum())
    documents = {"in": len(reader), "out": len(np.unique(plan.documents)), "dropped": plan.dropped_documents}
    return {
        "documents": documents,
        "tokens": {"in": int(reader.lengths.sum()), "out": kept, "dropped": plan.dropped},
        "rows": len(plan),
        "segments": len(plan.documents) if settings.block_diagonal else len(plan),
        "padding_tokens": len(plan) * settings.length - kept,
    }
