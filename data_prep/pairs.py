"""Pairs x, x' of Focused Learning: in x' only the chunks that suit the question best are left of the long text.

in : a sample's tokens and spans, its Ranking (contracts.ranks), AugmentSettings
out: the tokens and spans of x', and which chunks stayed
Invariants: no token outside the chunks that go is touched; under `mask` each of theirs is the mask token and all others
keep their places; under `drop` the others follow each other in their order; labels are those of x.

# N tokens of x, K chunks
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contracts.errors import InputError
from contracts.ranks import Ranking, touching
from contracts.tokenizer import Tokenizer
from data_prep.settings import AugmentSettings

Spans = list[tuple[int, int]]


@dataclass(frozen=True)
class Masking:
    """Which tokens of x stay in x', and what stands for the others."""

    stays_N: np.ndarray  # bool
    mask_id: int | None  # None: the others are cut out

    def tokens(self, ids_N: np.ndarray) -> np.ndarray:
        """x', int32."""
        if self.mask_id is None:
            return ids_N[self.stays_N]
        return np.where(self.stays_N, ids_N, np.int32(self.mask_id))

    def spans(self, spans: Sequence[Sequence[int]] | None) -> Spans | None:
        """What stays of spans of x, as spans of x'; a span that loses its middle becomes two under `mask`."""
        if spans is None:
            return None
        return [run for begin, end in np.asarray(spans).tolist() for run in self.runs(begin, end)]

    def runs(self, begin: int, end: int) -> Spans:
        """What stays of one span."""
        stays = self.stays_N[begin:end]
        start = begin
        if self.mask_id is None:
            start, stays = int(self.stays_N[:begin].sum()), stays[stays]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], stays, [False]]).astype(np.int8)))
        return [(first, beyond) for first, beyond in (edges.reshape(-1, 2) + start).tolist()]


def masking_of(tokens: int, ranking: Ranking, settings: AugmentSettings, mask_id: int, where: str) -> Masking:
    """What stays of a sample of so many tokens; InputError where fewer chunks are there than are to stay."""
    count, there = settings.kept(len(ranking.chunks)), len(ranking.chunks)
    if count > there:
        raise InputError(
            f"{where}: {there} chunks, and top_k {count} are to stay; lower top_k, give a share instead, or leave out "
            "short samples (tokenize.samples.min_tokens)"
        )
    stays_N = np.ones(tokens, dtype=bool)
    for begin, end in ranking.chunks:
        stays_N[begin:end] = False
    for begin, end in ranking.chunks[ranking.best(count)]:
        stays_N[begin:end] = True
    return Masking(stays_N, mask_id if settings.replace == "mask" else None)


def mask_token_id(settings: AugmentSettings, tokenizer: Tokenizer) -> int:
    """The id of the mask token; InputError where the tokenizer has no such special token."""
    given = settings.mask_token
    if given is None:
        return tokenizer.vocab_size
    found = tokenizer.special_tokens.get(given) if isinstance(given, str) else given
    if found in tokenizer.names:
        return found
    names = ", ".join(tokenizer.special_tokens) or "none"
    raise InputError(f"mask_token {given!r}: no special token of the tokenizer (it has {names}); name one, or null")


def refuse_mask_in_text(ids_N: np.ndarray, mask_id: int, where: str) -> None:
    """InputError where the mask token is in a sample already: the model could not tell the two apart."""
    places = np.flatnonzero(ids_N == mask_id)
    if len(places):
        raise InputError(
            f"{where}: token {places[0]} is the mask token {mask_id}; choose a mask_token that no sample has, or null"
        )


@dataclass
class GoldRecall:
    """How many of the chunks that an answer rests on stay, over the samples where these are known."""

    samples: int = 0
    samples_with_all: int = 0
    samples_with_one: int = 0
    chunks: int = 0
    kept_chunks: int = 0

    def add(self, ranking: Ranking, evidence: np.ndarray | None, masking: Masking) -> None:
        """Count one sample; one without evidence has no gold chunk."""
        if evidence is None or not len(evidence):
            return
        gold = ranking.chunks[touching(ranking.chunks, evidence)]
        kept = int(masking.stays_N[gold[:, 0]].sum())
        self.samples += 1
        self.samples_with_one += kept > 0
        self.samples_with_all += kept == len(gold)
        self.chunks += len(gold)
        self.kept_chunks += kept

    def sentence(self) -> str:
        """What the retriever found, for people."""
        if not self.samples:
            return "gold chunks: known of no sample"
        return (
            f"gold chunks: {self.kept_chunks} of {self.chunks} stay ({self.kept_chunks / self.chunks:.1%}); all of "
            f"them in {self.samples_with_all}, one at least in {self.samples_with_one} of {self.samples} samples"
        )
