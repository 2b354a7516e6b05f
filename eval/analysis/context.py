"""Which tokens of a row its answer may rest on.

in : a row with `labels`, and `spans` where it has them
out: bool [n]: the tokens of the context
"""

import numpy as np

from eval.benchmarks.hops.labelled_rows import IGNORED
from eval.benchmarks.hops.score import CONTEXT_KINDS, token_mask


def context_tokens(row: dict) -> np.ndarray:
    """Facts, emojis and irrelevant text; in a row without spans all that comes before the first labelled token."""
    count = len(row["input_ids"])
    if "spans" in row:
        return np.logical_or.reduce([token_mask(row["spans"], kind, count) for kind in CONTEXT_KINDS])
    first = next(position for position, label in enumerate(row["labels"]) if label != IGNORED)
    return np.arange(count) < first
