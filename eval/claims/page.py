"""Write the page that answers the claims, from all parts of the study that are there.

in : --parts   folder with one folder a part (see `eval part`)
     --output  the page, e.g. docs/claims.md
out: the page in Markdown, and beside it NAME.csv with every comparison at full precision
invariant: the same parts give the same bytes; a part whose files are not those of its audit is refused.
run: python -m eval claims --parts docs/claims --output docs/claims.md
"""

import argparse
import csv
import io
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from contracts.errors import InputError
from contracts.files import atomic_text, existing_folder
from eval.claims.claims import LEVEL, OUTCOMES, Finding, Outcome, findings, verdict_of_claim
from eval.claims.part import Part, read_part

# The page without its tables.
TEMPLATE = Path(__file__).with_name("page.md")
# What the runs are called whose trainings are compared; the others look at the base alone.
SCALING = "-scaling-"
NOT_YET = "No training of the study is there yet."
SHOWN = ("long", "chains", "short", "books", "facts")
COLUMNS = (
    *("claim", "where", "outcome", "unit", "model", "against", "seeds", "samples"),
    *("difference", "low", "high", "p_value", "p_corrected", "detectable", "verdict"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--parts", required=True, help="folder with one folder a part, e.g. docs/claims")
    parser.add_argument("--output", required=True, help="page to write, e.g. docs/claims.md")


def run(arguments: argparse.Namespace) -> None:
    """Read and check the parts, write the page and its numbers."""
    output = Path(arguments.output)
    if output.suffix != ".md":
        raise InputError(f"--output {output}: must end in .md; its numbers go to the same name in .csv")
    folder = existing_folder(arguments.parts, "make a part with `make study SEED=1`")
    parts = [read_part(path.parent) for path in sorted(folder.glob("*/part.json"))]
    if not parts:
        raise InputError(f"{folder}: no part there; make one with `make study SEED=1`")
    found = findings(parts)
    atomic_text(output, page(parts, found))
    atomic_text(output.with_suffix(".csv"), as_csv(found))


def page(parts: Sequence[Part], found: Sequence[Finding]) -> str:
    """The page's text with its tables."""
    trained = [part for part in parts if SCALING in part.run]
    return TEMPLATE.read_text(encoding="utf-8").format(
        seeds=f"{counted(len(trained))} of the trainings, and {counted(len(parts) - len(trained))} of the instruments",
        matters=", ".join(f"{outcome.matters:g} {outcome.unit}" for outcome in distinct_units()),
        claims="\n".join(claims_table(found)),
        comparisons="\n".join(comparisons_table(found)),
        models="\n".join(models_table(trained)) if trained else NOT_YET,
        trainings="\n".join(trainings_table(trained)) if trained else NOT_YET,
    )


def counted(seeds: int) -> str:
    """So many seeds, in words."""
    return "no seed" if not seeds else f"{seeds} seed{'s' if seeds > 1 else ''}"


def distinct_units() -> list[Outcome]:
    """One outcome for every unit."""
    return list({outcome.unit: outcome for outcome in OUTCOMES.values()}.values())


def claims_table(found: Sequence[Finding]) -> Iterator[str]:
    """One row a claim, with its first comparison."""
    yield "| the paper says | where | first comparison | difference | verdict |"
    yield "| --- | --- | --- | --- | --- |"
    for claim, of_claim in groupby(found, key=lambda finding: finding.claim):
        rows = list(of_claim)
        first = rows[0]
        compared = f"{first.first} against {first.second}, {first.outcome.title}"
        said = shown(first)
        yield f"| {claim.sentence} | {claim.where} | {compared} | {said} | **{verdict_of_claim(rows)}** |"


def comparisons_table(found: Sequence[Finding]) -> Iterator[str]:
    """One row a comparison."""
    yield "| model | against | outcome | difference | p | could see | verdict |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for finding in found:
        effect, digits = finding.effect, digits_of(finding.outcome)
        p = "" if finding.p_corrected is None else f"{finding.p_corrected:.2g}"
        seen = "" if effect is None or effect.detectable is None else f"{effect.detectable:.{digits}f}"
        told = (finding.first, finding.second, finding.outcome.title, shown(finding))
        yield f"| {' | '.join((*told, p, seen, finding.verdict))} |"


def shown(finding: Finding) -> str:
    """A difference with its interval and unit; of a claim about a level the number itself."""
    effect, outcome = finding.effect, finding.outcome
    if effect is None:
        return ""
    digits, level = digits_of(outcome), 0.0
    sign = "+"
    if finding.second.startswith(LEVEL):
        level, sign = float(finding.second.removeprefix(LEVEL)), ""
    mean, low, high = (f"{value + level:{sign}.{digits}f}" for value in (effect.mean, effect.low, effect.high))
    return f"{mean} ({low} to {high}) {outcome.unit}"


def digits_of(outcome: Outcome) -> int:
    """Decimals that show a tenth of what matters."""
    return int(np.ceil(-np.log10(outcome.matters / 10)))


def models_table(parts: Sequence[Part]) -> Iterator[str]:
    """The mean of every outcome over the seeds, a row for each model."""
    titles = [OUTCOMES[name].title for name in SHOWN]
    yield "| model | " + " | ".join(titles) + " |"
    yield "| --- |" + " --- |" * len(titles)
    for model in dict.fromkeys(model for part in parts for model in part.models):
        cells = [shown_mean(parts, OUTCOMES[name], model) for name in SHOWN]
        yield f"| {model} | " + " | ".join(cells) + " |"


def shown_mean(parts: Sequence[Part], outcome: Outcome, model: str) -> str:
    """Mean and standard deviation over seeds of one outcome of one model."""
    found = [outcome.values(part, model) for part in parts]
    means = [outcome.better * float(np.mean([cell.mean() for cell in cells])) for cells in found if cells is not None]
    if not means:
        return "not there"
    spread = f" ± {np.std(means, ddof=1):.{digits_of(outcome)}f}" if len(means) > 1 else ""
    return f"{np.mean(means):.{digits_of(outcome)}f}{spread}"


def trainings_table(parts: Sequence[Part]) -> Iterator[str]:
    """How far denoising moved the embeddings, and what the training read; medians over steps, means over seeds."""
    yield "| training | steps | tokens | share of tokens called noise | shift / length of the embeddings | last loss |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name in dict.fromkeys(name for part in parts for name in part.trainings):
        of_name = [part.trainings[name] for part in parts if name in part.trainings]
        noise, shift = (mean_of(of_name, key) for key in ("noise_share", "relative_shift"))
        yield (
            f"| {name} | {of_name[0]['steps']} | {np.mean([training['tokens'] for training in of_name]):,.0f} | "
            f"{'' if noise is None else f'{noise:.0%}'} | {'' if shift is None else f'{shift:.1e}'} | "
            f"{mean_of(of_name, 'last_loss'):.3f} |"
        )


def mean_of(trainings: Sequence[dict], key: str) -> float | None:
    """The mean of a number that all of them have."""
    values = [training[key] for training in trainings if key in training]
    return float(np.mean(values)) if values else None


def as_csv(found: Sequence[Finding]) -> str:
    """Every comparison at full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for finding in found:
        effect = finding.effect
        numbers = (
            ("",) * 7
            if effect is None
            else (effect.seeds, effect.samples, effect.mean, effect.low, effect.high, effect.p_value, effect.detectable)
        )
        seeds, samples, mean, low, high, p_value, detectable = numbers
        told = (finding.claim.sentence, finding.claim.where, finding.outcome.title, finding.outcome.unit)
        compared = (finding.first, finding.second, seeds, samples, mean, low, high, p_value)
        writer.writerow((*told, *compared, finding.p_corrected, detectable, finding.verdict))
    return text.getvalue()
