"""The instruments by name: each gives one number a token, higher where the answer rests more on it.

Modules are named, not imported, so that an edit of one instrument leaves the numbers of the others alone. Nothing heavy
is imported here: Snakemake reads this on every node.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Instrument:
    """One instrument: its `title` in tables, and its `module`.

    The module has opened(model, options) -> a function that gives the scores of a row {"input_ids", "labels", ...} as a
    float64 tensor [n]. `options` are the settings analysis.NAME, None where it has none. Where it knows more than
    scores, it has readings(model, options) too (eval.analysis.reading).
    """

    title: str
    module: str


INSTRUMENTS = {
    "embedding_gradient": Instrument("embedding gradient (CDT)", "eval.analysis.embedding_gradient"),
    "embedding_gradient_l1": Instrument("embedding gradient, L1 norm", "eval.analysis.embedding_gradient"),
    "information_flow": Instrument("IG score (Eq. 1)", "eval.analysis.information_flow"),
    "information_flow_scripts": Instrument("IG score, authors' scripts", "eval.analysis.information_flow"),
    "fact_retrieval": Instrument("FR score", "eval.analysis.fact_retrieval"),
    "attention_mass": Instrument("attention, last layers (authors' scripts)", "eval.analysis.fact_retrieval"),
    "attention": Instrument("attention", "eval.analysis.attention"),
    "longppl": Instrument("LongPPL", "eval.analysis.longppl"),
    "integrated_gradients": Instrument("integrated gradients", "eval.analysis.integrated_gradients"),
    "occlusion": Instrument("occlusion", "eval.analysis.occlusion"),
}
