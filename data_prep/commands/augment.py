"""Make the pairs x, x' of Focused Learning from samples and the ranks of their chunks.

in : a tokens folder (--input), its ranks (`python -m eval rank`), the tokenizer of both
out: a tokens folder in which x' follows its x, and packing keeps the two in one row; manifest.json
Invariants: every sample is there once as it was and once masked, or the run stops with nothing written; every masked
token is counted; the same input and settings give the same bytes; memory holds one record batch.
Run: python -m data_prep augment --input a/samples --ranks a/ranks --tokenizer a/tokenizer --output a/tokens
"""

import argparse
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from contracts.code_reach import code_facts
from contracts.command_line import progress
from contracts.errors import InputError
from contracts.files import atomic_folder
from contracts.fingerprint import sha256_value
from contracts.manifest import MANIFEST_NAME, build_manifest, describe_files, read_manifest, replaceable, write_manifest
from contracts.packs import refuse_changed_sizes
from contracts.ranks import Ranking, open_ranks
from contracts.settings import load_settings
from contracts.token_files import TokensReader
from contracts.tokenizer import load_tokenizer
from contracts.tokens import MASKED, TokensMetadata, tokens_schema
from data_prep.arrow_columns import list_column, number_column, spans_column, text_column
from data_prep.pairs import GoldRecall, Masking, mask_token_id, masking_of, refuse_mask_in_text
from data_prep.settings import AugmentSettings

BATCH_TOKENS = 1 << 22
FILE_TOKENS = 1 << 26
# (index of a sample, what stays of it)
Pair = tuple[int, Masking]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--input", type=Path, required=True, metavar="FOLDER", help="tokens of samples (source quality, qasper or nq)")
    add("--ranks", type=Path, required=True, metavar="FOLDER", help="what `python -m eval rank` made of them")
    add("--tokenizer", type=Path, required=True, metavar="PATH", help="the tokenizer that made the tokens")
    add("--settings", default="{}", metavar="S", help="the augment settings: a YAML file or JSON text")
    add("--section", help="key of the settings file that holds them, e.g. augment")
    add("--output", type=Path, required=True, metavar="FOLDER", help="the tokens folder to make")


def run(arguments: argparse.Namespace) -> None:
    replaceable(arguments.output, "augment")
    settings = load_settings(AugmentSettings, arguments.settings, arguments.section)
    tokens_manifest = read_manifest(arguments.input)
    refuse_changed_sizes(arguments.input, tokens_manifest["outputs"])
    ranks_manifest, rankings = open_ranks(arguments.ranks, tokens_manifest["outputs"])
    reader, tokenizer = TokensReader(arguments.input), load_tokenizer(arguments.tokenizer)
    if reader.metadata.tokenizer_digest != tokenizer.digest:
        raise InputError(f"{arguments.tokenizer}: not the tokenizer of {arguments.input}; name the one that made it")
    mask_id = mask_token_id(settings, tokenizer)
    making = Making(reader, settings, mask_id)
    masks = settings.replace == "mask"
    metadata = replace(
        reader.metadata,
        vocab_size=max(reader.metadata.vocab_size, mask_id + 1 if masks else 0),
        source_digest=sha256_value([reader.metadata.source_digest, ranks_manifest["outputs"], settings.model_dump()]),
        places=False,
        together=2,
    )
    with atomic_folder(arguments.output) as folder:
        batches = write_pairs(folder, making, rankings, metadata)
        for _ in progress(batches, description="augmenting", unit="batch"):
            pass
        manifest = build_manifest(
            stage="augment",
            inputs={"tokens": tokens_manifest["outputs"], "ranks": ranks_manifest["outputs"]},
            outputs=describe_files(folder.glob("*.arrow")),
            settings=settings.model_dump() | {"mask_id": mask_id if masks else None},
            code=code_facts("data_prep.commands.augment"),
            counts=making.counts | {"gold": asdict(making.gold)},
            packages=("numpy", "pyarrow"),
        )
        write_manifest(folder / MANIFEST_NAME, manifest)
    tokens = making.counts["tokens"]
    taken = tokens["masked"] + tokens["dropped"]
    share = taken / max(tokens["in"], 1)
    print(f"{arguments.output}: {len(reader)} pairs, {taken} tokens {'masked' if masks else 'dropped'} ({share:.1%})")
    print(making.gold.sentence())


class Making:
    """The pairs of a tokens folder, one after the other, and what they count."""

    def __init__(self, reader: TokensReader, settings: AugmentSettings, mask_id: int) -> None:
        self.reader, self.settings, self.mask_id = reader, settings, mask_id
        self.gold = GoldRecall()
        self.counts = {
            "documents": {"in": 0, "out": 0},
            "tokens": {"in": 0, "out": 0, "masked": 0, "dropped": 0},
            "chunks": {"in": 0, "kept": 0},
        }

    def pair(self, index: int, ranking: Ranking | None) -> Pair:
        """Sample `index` with what stays of it; InputError where it is not the one that was ranked."""
        ids, name = self.reader.tokens(index), self.reader.id(index)
        where = f"{self.reader.folder}: sample {name}"
        if ranking is None or ranking.id != name:
            raise InputError(f"{where}: not the sample that was ranked in its place; rank this folder")
        refuse_mask_in_text(ids, self.mask_id, where)
        masking = masking_of(len(ids), ranking, self.settings, self.mask_id, where)
        self.gold.add(ranking, self.reader.spans("evidence_spans", index), masking)
        self.count(ranking, masking)
        return index, masking

    def count(self, ranking: Ranking, masking: Masking) -> None:
        """Add one pair to the counts."""
        tokens, gone = len(masking.stays_N), int((~masking.stays_N).sum())
        masks = masking.mask_id is not None
        added = {
            "documents": {"in": 1, "out": 2},
            "tokens": {
                "in": tokens,
                "out": 2 * tokens - (0 if masks else gone),
                "masked": gone if masks else 0,
                "dropped": 0 if masks else gone,
            },
            "chunks": {"in": len(ranking.chunks), "kept": self.settings.kept(len(ranking.chunks))},
        }
        self.counts = {
            kind: {name: count + added[kind][name] for name, count in of_kind.items()}
            for kind, of_kind in self.counts.items()
        }

    def columns(self, pairs: list[Pair]) -> list[pa.Array]:
        """The columns of one record batch: x and x' of every pair in turn. The characters are counted with x."""
        reader = self.reader
        ids = [each for index, masking in pairs for each in both(reader.tokens(index), masking.tokens)]
        names = [name for index, _ in pairs for name in (reader.id(index), reader.id(index) + MASKED)]
        characters = [count for index, _ in pairs for count in (int(reader.characters[index]), 0)]
        return [
            text_column(names),
            text_column([reader.source(index) for index, _ in pairs for _ in range(2)]),
            number_column(np.array(characters, np.int64)),
            list_column(ids, number_column(np.concatenate(ids))),
            *(self.spans_of(name, pairs) for name in ("label_spans", "evidence_spans")),
        ]

    def spans_of(self, name: str, pairs: list[Pair]) -> pa.Array:
        """A column of spans."""
        spans = [each for index, masking in pairs for each in both(self.reader.spans(name, index), masking.spans)]
        return spans_column([None if each is None else [tuple(span) for span in each] for each in spans])


def both(of_x: object, mask: object) -> tuple:
    """What x has, and what x' has of it."""
    return of_x, mask(of_x)


def write_pairs(folder: Path, making: Making, rankings: Iterator[Ranking], metadata: TokensMetadata) -> Iterator[int]:
    """Write all pairs; yields the number of each record batch."""
    schema, batches = tokens_schema(metadata), batches_of(making, rankings)
    batch, number = next(batches, None), 0
    while number == 0 or batch:
        path = folder / f"tokens-{number:05d}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as out:
            for _ in range(FILE_TOKENS // BATCH_TOKENS):
                if not batch:
                    break
                out.write_batch(pa.RecordBatch.from_arrays(making.columns(batch), schema=schema))
                making.reader.release()
                yield len(batch)
                batch = next(batches, None)
        number += 1


def batches_of(making: Making, rankings: Iterator[Ranking]) -> Iterator[list[Pair]]:
    """The pairs in runs that end with the one that reaches BATCH_TOKENS."""
    run: list[Pair] = []
    held = 0
    for index in range(len(making.reader)):
        run.append(making.pair(index, next(rankings, None)))
        held += 2 * int(making.reader.lengths[index])
        if held >= BATCH_TOKENS:
            yield run
            run, held = [], 0
    if run:
        yield run
    if next(rankings, None) is not None:
        raise InputError(f"{making.reader.folder}: fewer samples than were ranked; rank this folder")
