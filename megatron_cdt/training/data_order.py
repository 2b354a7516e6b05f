"""Which rows a step trains on: a pure function of (seed, epoch, consumed rows). There is no loader state.

Every epoch is a permutation of all rows of its own; a step takes the next rows of it, and epochs go round
without a gap. Data parallel ranks take turns, so the rows of a step are the same for every layout.
Invariant: over one epoch each row is used exactly once, whatever the batch size.
"""

from functools import lru_cache

import numpy as np

from contracts.errors import InputError
from contracts.packs import PackReader
from megatron_cdt.architecture import Architecture
from megatron_cdt.training.settings import LayoutSettings


def rows_of_step(step: int, *, num_rows: int, batch_rows: int, seed: int) -> list[int]:
    """The row indices of optimizer step `step` (1, 2, ...), over all processes, in order."""
    first = (step - 1) * batch_rows
    return [row_at(place, num_rows, seed) for place in range(first, first + batch_rows)]


def row_at(consumed_rows: int, num_rows: int, seed: int) -> int:
    """The row that comes after `consumed_rows` rows have been used."""
    epoch, place = divmod(consumed_rows, num_rows)
    return int(epoch_order(seed, epoch, num_rows)[place])


@lru_cache(maxsize=2)
def epoch_order(seed: int, epoch: int, num_rows: int) -> np.ndarray:
    """A permutation of range(num_rows), int64: rows sorted by a hash of (seed, epoch, row).

    A hash of our own, because no random number library promises the same stream in its next version.
    """
    key = splitmix64(np.uint64([seed])) ^ splitmix64(~np.uint64([epoch]))
    return np.argsort(splitmix64(splitmix64(np.arange(num_rows, dtype=np.uint64)) ^ key), kind="stable")


def splitmix64(values: np.ndarray) -> np.ndarray:
    """The finalizer of the SplitMix64 generator (Steele, Lea, Flood 2014): a bijection of uint64."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def turn_of_rank(rows: list[int], dp_rank: int, dp_size: int) -> list[int]:
    """The rows of a step that one data parallel rank trains on."""
    return rows[dp_rank::dp_size]


def check_pack_fits(
    pack: PackReader, architecture: Architecture, layout: LayoutSettings, tokenizer_digest: str
) -> None:
    """Refuse, before anything starts, a pack that this model, layout or tokenizer cannot train on."""
    where, told = pack.folder, pack.metadata
    if not len(pack):
        raise InputError(f"{where}: no rows; pack more text or shorter rows")
    if told.alignment % layout.row_alignment:
        raise InputError(
            f"{where}: packed for alignment {told.alignment}, but context {layout.context} x tensor {layout.tensor} "
            f"needs a multiple of {layout.row_alignment}; pack again with --align {layout.row_alignment}"
        )
    # Positions begin anew in every segment: of rows of pairs, only a segment has to be in the model's reach.
    reach = told.longest or told.length
    what = "segments" if told.longest else "rows"
    if reach > architecture.max_position_embeddings:
        raise InputError(
            f"{where}: {what} of {reach} tokens, but the model is meant for {architecture.max_position_embeddings} "
            f"(max_position_embeddings); pack shorter rows or start from a model with a longer context"
        )
    if (window := architecture.sliding_window) and reach > window:
        raise InputError(
            f"{where}: {what} of {reach} tokens, but the model's attention reaches {window} back (sliding_window), "
            f"which is not supported; pack rows of at most {window}"
        )
    if told.vocab_size > architecture.vocab_size:
        cure = ", or mask with a special token that it has (mask_token)" if told.together > 1 else ""
        raise InputError(
            f"{where}: token ids up to {told.vocab_size}, but the model has {architecture.vocab_size}; "
            f"pack with the model's tokenizer{cure}"
        )
    if told.tokenizer_digest != tokenizer_digest:
        raise InputError(
            f"{where}: packed with another tokenizer (sha256 {told.tokenizer_digest[:12]}) than --tokenizer names "
            f"({tokenizer_digest[:12]}); name the one that made the packs"
        )
