"""The instruments by name: each gives one number a token, higher where the answer rests more on it.

Modules are named, not imported, so that an edit of one instrument leaves the numbers of the others alone. Nothing heavy
is imported here: Snakemake reads this on every node.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Instrument:
    """One instrument: its `title` in tables, and its `module`.

    The module has opened(model, options) -> a function that gives the scores of a row {"input_ids", "labels", ...} as a
    float64 tensor [n]. `options` are the settings eval.analysis.NAME, None where it has none.
    """

    title: str
    module: str


INSTRUMENTS = {
    "embedding_gradient": Instrument("embedding gradient (CDT)", "eval.analysis.embedding_gradient"),
}
