"""The detectors by name: what finds the tokens that a model's answer rests on, and who runs it.

Modules are named, not imported, so that an edit of one detector leaves the answers of the others alone. Nothing heavy
is imported here: Snakemake reads this on every node.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Detector:
    """One detector: its `title` in tables, and its `module`, which `generate` runs: opened(folder, device, options) ->
    a function that gives {"token_scores", "critical"} of a row. Without a module `megatron_cdt detect` runs it.

    `own_rule` names a verdict of its own that Figure 7 shows beside the top tokens.
    """

    title: str
    module: str = ""
    own_rule: str = ""


DETECTORS = {
    "gradient": Detector("gradient (CDT)"),
    "attention": Detector("attention", "eval.detection.attention"),
    "longppl": Detector("LongPPL", "eval.detection.longppl", own_rule="by its two conditions"),
}
