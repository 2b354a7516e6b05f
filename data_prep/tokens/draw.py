"""Draw samples from a tokens folder: a given number, equally many of each number of supporting passages.

in : the ids and evidence counts of a set, MixPart, a seed      out: indices for each split
Invariants: what is drawn depends on ids and seed alone, not on the order of the set; splits never share a sample;
too few candidates end in one line that says how many there are.
"""

import hashlib

import numpy as np

from contracts.errors import InputError
from data_prep.settings import MixPart

SPLITS = ("train", "validation")


def draw(name: str, ids: list[str], evidence: np.ndarray, part: MixPart, seed: int) -> dict[str, list[int]]:
    """{split: indices of the samples drawn for it}; `evidence` is int64 [samples], -1 where it is not known."""
    ordered = sorted(range(len(ids)), key=lambda index: draw_key(seed, name, ids[index]))
    groups = [[index for index in ordered if evidence[index] == count] for count in part.evidence] or [ordered]
    drawn: dict[str, list[int]] = {split: [] for split in SPLITS}
    quotas = {split: shares(part.wanted(split), len(groups)) for split in SPLITS}
    for number, group in enumerate(groups):
        needed = sum(quotas[split][number] for split in SPLITS)
        if len(group) < needed:
            refuse_too_few(name, part, groups, needed)
        begin = 0
        for split in SPLITS:
            drawn[split] += group[begin : begin + quotas[split][number]]
            begin += quotas[split][number]
    return drawn


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
