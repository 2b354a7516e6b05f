"""Draw supervised samples from several tokens folders and shuffle them together into one.

in : tokens folders of sets of samples (--part NAME=FOLDER), MixSettings      out: a tokens folder with manifest.json
Of a set a given number is drawn, equally many of each number of supporting passages.
Invariants: every sample of every set is in the output once or counted under the reason why not; what is drawn depends
on ids and seed alone, not on the order of a set; splits never share a sample; too few candidates end in one line that
says how many there are; the same sets and settings give the same bytes; memory holds one record batch.
Run: python -m data_prep mix --part longmit=a/longmit --part longalpaca=a/longalpaca --output a/tokens
"""

import argparse
import hashlib
from collections.abc import Iterator
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
from contracts.settings import load_settings
from contracts.token_files import TokensReader
from contracts.tokens import TokensMetadata, tokens_schema
from data_prep.settings import SETS, MixPart, MixSettings, paper_mix

BATCH_TOKENS = 1 << 22
FILE_TOKENS = 1 << 26
# (set, index in it)
Choice = tuple[str, int]

SPLITS = ("train", "validation")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--part", action="append", required=True, metavar="NAME=FOLDER", help="tokens of a set: longmit or longalpaca")
    add("--settings", metavar="S", help="the mix settings: a YAML file or JSON text (default: the paper's numbers)")
    add("--split", choices=SPLITS, default="train", help="the samples for training (default) or for validation")
    add("--output", type=Path, required=True, metavar="FOLDER", help="the tokens folder to make")


def run(arguments: argparse.Namespace) -> None:
    replaceable(arguments.output, "mix")
    folders = folders_of(arguments.part)
    settings = load_settings(MixSettings, arguments.settings) if arguments.settings else paper_mix(folders)
    refuse_other_sets(folders, settings)
    manifests = {name: read_manifest(folder) for name, folder in folders.items()}
    for name, folder in folders.items():
        refuse_changed_sizes(folder, manifests[name]["outputs"])
    readers = {name: TokensReader(folder) for name, folder in folders.items()}
    metadata = common_metadata(readers)
    choices, dropped = choose(readers, settings, arguments.split)
    with atomic_folder(arguments.output) as folder:
        for _ in progress(write_tokens(folder, readers, choices, metadata), description="mixing", unit="batch"):
            pass
        manifest = build_manifest(
            stage="mix",
            inputs={name: manifest["outputs"] for name, manifest in manifests.items()},
            outputs=describe_files(folder.glob("*.arrow")),
            settings=decisive(settings) | {"split": arguments.split},
            code=code_facts("data_prep.commands.mix"),
            counts=count(readers, choices, dropped),
            packages=("numpy", "pyarrow"),
            seed=settings.seed,
        )
        write_manifest(folder / MANIFEST_NAME, manifest)
    print(f"{arguments.output}: {len(choices)} samples of {', '.join(folders)}, {arguments.split}")


def folders_of(given: list[str]) -> dict[str, Path]:
    """{set: its tokens folder}; InputError for an unknown set."""
    folders = {}
    for word in given:
        name, _, folder = word.partition("=")
        if name not in SETS or not folder:
            raise InputError(f"mix: --part {word}: write NAME=FOLDER with NAME one of {', '.join(SETS)}")
        folders[name] = Path(folder)
    return {name: folders[name] for name in SETS if name in folders}


def refuse_other_sets(folders: dict[str, Path], settings: MixSettings) -> None:
    """InputError for a set that is wanted and not given, or given and not wanted."""
    for name, part in settings.parts().items():
        if name not in folders and part.samples + part.validation_samples:
            raise InputError(f"mix: no --part {name}=FOLDER; give it, or leave {name} out of the settings")
    for name in folders.keys() - settings.parts().keys():
        raise InputError(f"mix: --part {name}: the settings have no {name}; add it, or leave the part out")


def decisive(settings: MixSettings) -> dict:
    """The settings that decide the result, without places."""
    parts = {
        name: part.model_dump(mode="json", exclude={"path", "min_tokens"}) for name, part in settings.parts().items()
    }
    return parts | {"seed": settings.seed}


def common_metadata(readers: dict[str, TokensReader]) -> TokensMetadata:
    """What the new files say of themselves; InputError where the sets were tokenized differently."""
    metadata = [reader.metadata for reader in readers.values()]
    for other in metadata[1:]:
        if (other.tokenizer_digest, other.versions) != (metadata[0].tokenizer_digest, metadata[0].versions):
            raise InputError("mix: the sets come from different tokenizers or tools; tokenize them alike")
    digest = sha256_value({name: reader.metadata.source_digest for name, reader in readers.items()})
    return TokensMetadata(metadata[0].tokenizer_digest, metadata[0].vocab_size, digest, metadata[0].versions)


def choose(
    readers: dict[str, TokensReader], settings: MixSettings, split: str
) -> tuple[list[Choice], dict[str, list[Choice]]]:
    """The samples of a split in their shuffled order, and the others by the reason why they are not in it."""
    chosen: list[Choice] = []
    dropped: dict[str, list[Choice]] = {"not drawn": [], "drawn for another split": []}
    for name, reader in readers.items():
        ids = [sample for batch in reader.batches for sample in batch.batch.column("id").to_pylist()]
        drawn = draw(name, ids, reader.evidence_counts, settings.parts()[name], settings.seed)
        chosen += [(name, index) for index in drawn[split]]
        others = {index for other in SPLITS if other != split for index in drawn[other]}
        dropped["drawn for another split"] += [(name, index) for index in others]
        dropped["not drawn"] += [(name, i) for i in range(len(ids)) if i not in others | set(drawn[split])]
    return sorted(chosen, key=lambda choice: place_key(settings.seed, name_of(readers, choice))), dropped


def name_of(readers: dict[str, TokensReader], choice: Choice) -> str:
    """The id of a sample in the mix: unique though two sets may use the same ids."""
    return f"{choice[0]}/{readers[choice[0]].id(choice[1])}"


def place_key(seed: int, name: str) -> bytes:
    """Orders the samples of the mix at random, the same way everywhere."""
    return hashlib.blake2b(f"order\0{seed}\0{name}".encode(), digest_size=16).digest()


def write_tokens(
    folder: Path, readers: dict[str, TokensReader], choices: list[Choice], metadata: TokensMetadata
) -> Iterator[int]:
    """Write the samples in their order; yields the number of each record batch."""
    schema = tokens_schema(metadata)
    batches = list(runs_of(readers, choices, BATCH_TOKENS))
    per_file = FILE_TOKENS // BATCH_TOKENS
    for number, first in enumerate(range(0, max(len(batches), 1), per_file)):
        with (
            pa.OSFile(str(folder / f"tokens-{number:05d}.arrow"), "wb") as sink,
            pa.ipc.new_file(sink, schema) as out,
        ):
            for run in batches[first : first + per_file]:
                out.write_batch(pa.RecordBatch.from_pylist([row_of(readers, choice) for choice in run], schema=schema))
                for reader in readers.values():
                    reader.release()
                yield len(run)


def runs_of(readers: dict[str, TokensReader], choices: list[Choice], tokens: int) -> Iterator[list[Choice]]:
    """The choices in runs that end with the one that reaches `tokens`."""
    run: list[Choice] = []
    held = 0
    for name, index in choices:
        run.append((name, index))
        held += int(readers[name].lengths[index])
        if held >= tokens:
            yield run
            run, held = [], 0
    if run:
        yield run


def row_of(readers: dict[str, TokensReader], choice: Choice) -> dict:
    """One sample as a row of the new file."""
    name, index = choice
    batch, place = readers[name].place(index)
    spans = {key: batch.batch.column(key)[place].as_py() for key in ("label_spans", "evidence_spans")}
    source = readers[name].source(index)
    return {
        "id": name_of(readers, choice),
        "source": source,
        "characters": int(readers[name].characters[index]),
        "input_ids": readers[name].tokens(index),
        **spans,
    }


def count(readers: dict[str, TokensReader], choices: list[Choice], dropped: dict[str, list[Choice]]) -> dict:
    """The counts of the manifest: in = out + dropped, and what was drawn from where."""

    ones = {name: np.ones(len(reader), np.int64) for name, reader in readers.items()}
    characters = {name: reader.characters for name, reader in readers.items()}
    lengths = {name: reader.lengths for name, reader in readers.items()}
    kinds = {"documents": ones, "characters": characters, "tokens": lengths}
    return {kind: balance(values, choices, dropped) for kind, values in kinds.items()} | {
        "drawn": drawn(readers, choices)
    }


def balance(values: dict[str, np.ndarray], choices: list[Choice], dropped: dict[str, list[Choice]]) -> dict:
    """in = out + dropped of one kind of count; `values` are those of every sample of each set, int64 [samples]."""

    def total(chosen: list[Choice]) -> int:
        return sum(int(values[name][index]) for name, index in chosen)

    return {
        "in": sum(int(counted.sum()) for counted in values.values()),
        "out": total(choices),
        "dropped": {reason: total(chosen) for reason, chosen in dropped.items() if chosen},
    }


def drawn(readers: dict[str, TokensReader], choices: list[Choice]) -> dict[str, dict[str, int]]:
    """{set: {number of supporting passages, in words: samples drawn}}"""
    counts: dict[str, dict[str, int]] = {}
    for name, index in choices:
        passages = int(readers[name].evidence_counts[index])
        key = f"{passages} supporting passages" if passages >= 0 else "supporting passages not known"
        of_set = counts.setdefault(name, {})
        of_set[key] = of_set.get(key, 0) + 1
    return counts


def draw(name: str, ids: list[str], evidence: np.ndarray, part: MixPart, seed: int) -> dict[str, list[int]]:
    """{split: indices of the samples drawn for it}; `evidence` is int64 [samples], -1 where it is not known."""
    ordered = sorted(range(len(ids)), key=lambda index: draw_key(seed, name, ids[index]))
    groups = [[index for index in ordered if evidence[index] == count] for count in part.evidence] or [ordered]
    indices: dict[str, list[int]] = {split: [] for split in SPLITS}
    quotas = {split: shares(part.wanted(split), len(groups)) for split in SPLITS}
    for number, group in enumerate(groups):
        needed = sum(quotas[split][number] for split in SPLITS)
        if len(group) < needed:
            refuse_too_few(name, part, groups, needed)
        begin = 0
        for split in SPLITS:
            indices[split] += group[begin : begin + quotas[split][number]]
            begin += quotas[split][number]
    return indices


def shares(total: int, groups: int) -> list[int]:
    """`total` in `groups` whole parts that differ by 1 at most, the larger ones first."""
    return [total // groups + (number < total % groups) for number in range(groups)]


def draw_key(seed: int, name: str, sample: str) -> bytes:
    """Orders the samples of a set at random, the same way everywhere."""
    return hashlib.blake2b(f"{seed}\0{name}\0{sample}".encode(), digest_size=16).digest()


def refuse_too_few(name: str, part: MixPart, groups: list[list[int]], needed: int) -> None:
    """InputError with what there is and what could be drawn."""
    sizes = [len(group) for group in groups]
    least = min(sizes) * len(groups)
    if part.evidence:
        there = ", ".join(f"{count} of {passages}" for count, passages in zip(sizes, part.evidence, strict=True))
        problem = f"samples by supporting passages: {there}; {needed} of each are wanted"
    else:
        problem = f"{sizes[0]} samples, {needed} are wanted"
    total = part.samples + part.validation_samples
    raise InputError(f"mix: {name}: {problem}; draw {least} in all instead of {total}, or widen tokenize.samples")
