"""Ranks: the chunks of every training sample with their scores, written by `eval rank`, read by `data_prep augment`.

A folder of ranks.jsonl, one line a sample in the order of the tokens folder, and manifest.json, whose `inputs.tokens`
are the files that were ranked with their hashes.
Invariants: a sample's chunks are half-open spans of its tokens, in order, and tile its long text; a score says how well
a chunk suits the question, the more the better.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contracts.errors import InputError
from contracts.fingerprint import sha256_file
from contracts.manifest import read_manifest

RANKS_NAME = "ranks.jsonl"
STAGE = "rank"


@dataclass(frozen=True)
class Ranking:
    """One sample's chunks, in tokens of the sample, and their scores."""

    id: str
    chunks: np.ndarray  # int64 [chunks, 2]
    scores: np.ndarray  # float64 [chunks]

    def line(self) -> str:
        """As a line of ranks.jsonl; scores are written to their last bit."""
        return json.dumps({"id": self.id, "chunks": self.chunks.tolist(), "scores": self.scores.tolist()}) + "\n"

    def best(self, count: int) -> np.ndarray:
        """The numbers of the `count` best chunks, in the order of the text; of equal ones the earlier."""
        return np.sort(np.argsort(-self.scores, kind="stable")[:count])


def touching(chunks: np.ndarray, spans: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
    """bool [chunks]: those that hold a token of one of the spans."""
    spans = np.asarray(spans, dtype=np.int64).reshape(-1, 2)
    return ((chunks[:, None, 0] < spans[None, :, 1]) & (spans[None, :, 0] < chunks[:, None, 1])).any(1)


def open_ranks(folder: str | Path, tokens: Mapping[str, Mapping]) -> tuple[dict, Iterator[Ranking]]:
    """(manifest, rankings in order) of what was made from the tokens files `tokens` ({name: {sha256, bytes}}).

    InputError for another folder, for ranks of other tokens, and for a file that is not the manifest's.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest.get("stage") != STAGE:
        raise InputError(f"{folder}: made by stage {manifest.get('stage')!r}, no ranks; make them with `eval rank`")
    if manifest["inputs"]["tokens"] != dict(tokens):
        raise InputError(f"{folder}: ranks of another tokens folder (its files have other hashes); rank this one")
    path = folder / RANKS_NAME
    if not path.is_file() or sha256_file(path) != manifest["outputs"][RANKS_NAME]["sha256"]:
        raise InputError(f"{path}: absent or changed since it was made; rank again")
    return manifest, rankings(path)


def rankings(path: Path) -> Iterator[Ranking]:
    """The lines of a ranks file."""
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            told = json.loads(line)
            chunks = np.array(told["chunks"], dtype=np.int64).reshape(-1, 2)
            yield Ranking(told["id"], chunks, np.array(told["scores"], dtype=np.float64))
