"""The claims of the paper, the comparison that tests each, and the verdict that the numbers allow.

in : the parts of the study (eval/claims/part.py), one for each seed
out: `Finding` for every comparison: its effect, the p-value corrected for all of them, and a verdict
A verdict is a rule, not an opinion: see `verdict`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.claims.effects import Effect, holm, paired_effect
from eval.claims.part import Part

SIGNIFICANT = 0.05
HOLDS, FAILS, UNKNOWN = "holds here", "does not hold here", "cannot be told here"
UNTESTED = "not tested yet"
# What a model is compared with where the claim is about a level, and not about another model.
LEVEL = "at least "
QUESTIONS = (("ruler", "niah_single_1"), ("stories", "2hop"), ("stories", "3hop"))


@dataclass(frozen=True)
class Outcome:
    """What is compared: the mean over cells (benchmark, task, length) of the values per sample, times `scale`.

    A difference below `matters`, in `unit`, would change no decision. `better` is -1 where less is better. Where a
    `number` of a detection is asked for, "MODEL by DETECTOR" says whose; MODEL alone is that of `detector`.
    """

    title: str
    unit: str
    cells: tuple[tuple[str, str, int], ...]
    scale: float
    matters: float
    better: int = 1
    number: str = ""
    detector: str = "gradient"

    def values(self, part: Part, model: str) -> list[np.ndarray] | None:
        """The values of a model in a part, an array a cell; None where a cell is absent."""
        name, _, detector = model.partition(" by ")
        more = {"number": self.number, "detector": detector or self.detector} if self.number else {}
        found = [part.values(name, *cell, **more) for cell in self.cells]
        return None if None in found else [self.scale * self.better * np.array(values, dtype=float) for values in found]


OUTCOMES = {
    "long": Outcome("questions at 2,048 tokens", "points", tuple((*of, 2048) for of in QUESTIONS), 100.0, 2.0),
    "chains": Outcome(
        *("stories of 2 and 3 facts at 2,048 tokens", "points"),
        *((("stories", "2hop", 2048), ("stories", "3hop", 2048)), 100.0, 2.0),
    ),
    "short": Outcome("questions at 512 tokens", "points", tuple((*of, 512) for of in QUESTIONS), 100.0, 2.0),
    "books": Outcome(
        *("loss on held-back books at 2,048 tokens", "nats a token less"),
        *((("perplexity", "books", 2048),), 1.0, 0.01, -1),
    ),
    "context": Outcome(
        *("supporting facts told from all other tokens at 512 tokens", "AUC"),
        *((("hops", "2hop", 512), ("hops", "3hop", 512)), 1.0, 0.02, 1, "auc_supporting"),
    ),
    "interference": Outcome(
        *("supporting facts told from interference at 512 tokens", "AUC"),
        *((("hops", "2hop", 512), ("hops", "3hop", 512)), 1.0, 0.02, 1, "auc_supporting_against_interference"),
    ),
    "flow": Outcome(
        *(
            "IG score and embedding gradient rank tokens alike",
            "rho",
            (("analysis", "2hop", 512), ("analysis", "3hop", 512)),
        ),
        *(1.0, 0.05, 1, "flow_and_gradient"),
    ),
    "growth": Outcome(
        *(
            "attention on facts after manual denoising",
            "times that before",
            (("analysis", "2hop", 512), ("analysis", "3hop", 512)),
        ),
        *(1.0, 0.2, 1, "attention_growth", "noise"),
    ),
    "facts": Outcome(
        *("supporting facts told from interference at 2,048 tokens", "AUC"),
        *((("hops", "2hop", 2048),), 1.0, 0.02, 1, "auc_supporting_against_interference"),
    ),
}


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper (where), and the comparisons that test it: (outcome, better model, other model).

    `kept`: the claim is that nothing is lost, so that no difference that matters is enough.
    """

    sentence: str
    where: str
    comparisons: tuple[tuple[str, str, str], ...]
    kept: bool = False


CDT = "cdt_0.05"
CLAIMS = (
    Claim(
        "CDT improves long-context ability over ordinary training at equal steps.",
        "Tables 1 and 2",
        (("long", CDT, "ce"), ("chains", CDT, "ce"), ("books", CDT, "ce")),
    ),
    Claim("It does so at the paper's own step (mean loss, lr x beta = 5e-5).", "5.1", (("long", "cdt_paper", "ce"),)),
    Claim("CDT improves over LongCE at equal steps.", "Tables 1 and 2", (("long", CDT, "longce"),)),
    Claim(
        "CDT is worth its second pass: better than ordinary training at equal cost.",
        "6.3, Figure 9",
        (("long", CDT, "ce_twice"), ("books", CDT, "ce_twice")),
    ),
    Claim(
        "A larger denoising step helps, until it saturates.",
        "6.2, Figure 8",
        tuple(("long", f"cdt_{size}", "ce") for size in ("0.005", "0.05", "0.5")),
    ),
    Claim(
        "It is the noise tokens that have to be moved: other tokens, as many or as far, do less.",
        "4.1 (control)",
        tuple(("long", CDT, control) for control in ("random_matched", "critical")),
    ),
    Claim(
        "They have to be moved against the gradient: another direction, as far, does less.",
        "Eq. 3 (control)",
        tuple(("long", CDT, control) for control in ("random_direction", "ascent")),
    ),
    Claim("Short-context ability is kept.", "5.2, Table 2", (("short", CDT, "base"), ("short", CDT, "ce")), kept=True),
    Claim(
        "The IG score and the norm of the embedding's gradient are proportional.",
        "4.1, Figure 5",
        (("flow", "base", "at least 0.8"),),
    ),
    Claim(
        "Manual denoising raises attention on critical tokens about tenfold.",
        "3.2, Figure 4",
        (
            ("growth", "base", "at least 5"),
            ("growth", "base", "base by random_tokens_matched"),
        ),
    ),
    *(
        Claim(
            f"Gradients of embeddings find critical tokens better than {title}.",
            "6.1, Figure 7",
            tuple((outcome, "base by gradient", f"base by {name}") for outcome in ("context", "interference")),
        )
        for name, title in (("attention", "attention"), ("longppl", "LongPPL"))
    ),
    Claim("After CDT, gradients tell supporting facts from interference better.", "6.1", (("facts", CDT, "ce"),)),
)


@dataclass(frozen=True)
class Finding:
    """One comparison of a claim with what came out."""

    claim: Claim
    outcome: Outcome
    first: str
    second: str
    effect: Effect | None
    p_corrected: float | None
    verdict: str


def findings(parts: Sequence[Part]) -> list[Finding]:
    """Every comparison of every claim, p-values corrected for all of them together."""
    planned = [(claim, *comparison) for claim in CLAIMS for comparison in claim.comparisons]
    effects = [effect_of(parts, OUTCOMES[outcome], first, second) for _, outcome, first, second in planned]
    corrected = holm([effect.p_value if effect else None for effect in effects])
    return [
        Finding(claim, OUTCOMES[outcome], first, second, effect, p, verdict(claim, OUTCOMES[outcome], effect, p))
        for (claim, outcome, first, second), effect, p in zip(planned, effects, corrected, strict=True)
    ]


def effect_of(parts: Sequence[Part], outcome: Outcome, first: str, second: str) -> Effect | None:
    """`first` minus `second` over the parts that have both; more is better. None where no part has."""
    differences = []
    for part in parts:
        better, other = outcome.values(part, first), outcome.values(part, second)
        if better is not None and second.startswith(LEVEL):
            other = [np.full_like(values, float(second.removeprefix(LEVEL))) for values in better]
        if better is not None and other is not None:
            differences.append([one - two for one, two in zip(better, other, strict=True)])
    return paired_effect(differences) if differences else None


def verdict(claim: Claim, outcome: Outcome, effect: Effect | None, p_corrected: float | None) -> str:
    """What the numbers allow to say.

    holds: better, with a corrected p-value below 5 %; of a claim that something is kept, the whole interval above
    minus what matters. Does not hold: worse by the same rule, or the whole interval below what matters (for what is to
    be kept: below minus what matters). All else cannot be told, and so does a single seed.
    """
    if effect is None:
        return UNTESTED
    if effect.seeds < 2:
        return UNKNOWN
    if claim.kept:
        return HOLDS if effect.low > -outcome.matters else FAILS if effect.high < -outcome.matters else UNKNOWN
    significant = p_corrected is not None and p_corrected < SIGNIFICANT
    if significant and effect.mean > 0:
        return HOLDS
    return FAILS if significant or effect.high < outcome.matters else UNKNOWN


def verdict_of_claim(of_claim: Sequence[Finding]) -> str:
    """A claim holds where every comparison says so; it fails where any fails."""
    verdicts = [finding.verdict for finding in of_claim]
    if set(verdicts) == {UNTESTED}:
        return UNTESTED
    if FAILS in verdicts:
        return FAILS
    return HOLDS if set(verdicts) == {HOLDS} else UNKNOWN
