"""One random generator per sample, derived from what the sample is.

Invariant: sample `index` of (benchmark, task, length) is the same whatever other tasks, lengths or samples are asked
for, and whatever ran before; no code here touches the global generators.
"""

from random import Random

from contracts.fingerprint import sha256_value


def sample_generator(seed: int, *parts: int | str) -> Random:
    """A generator of its own for (seed, parts...), the same on every machine."""
    return Random(int(sha256_value([seed, *parts]), 16))
