"""What manual denoising did, as means over rows: one record for every direction, step and measure.

in : the lines of rows (eval.analysis.denoising.denoised)
out: {"direction", "step", "measure", "rows", "before", "after", "change", "low", "high", "fell"}: `change` is the mean
     over rows of after minus before, `low` and `high` its 95 % bootstrap interval, `fell` the share of rows on which
     the measure is lower after: a few rows with large losses decide a mean
Loss in nats a token; right and token_accuracy as shares; attention.KIND as the share of the weight that lies on the
tokens of that kind. Names with "other." are of the other questions to the same text, means over rows that have some.
"""

from collections.abc import Iterator

from eval.analysis.denoising_settings import DenoisingSettings
from eval.scoring.scored import mean
from eval.scoring.statistics import bootstrap_intervals


def denoising_records(lines: list[dict], settings: DenoisingSettings) -> list[dict]:
    """The records in the order of directions, steps and measures."""
    measured = [
        ({"direction": direction, "step": step, "measure": measure}, found)
        for direction in settings.directions
        for index, step in enumerate(settings.steps)
        for measure, found in pairs_of([(line["before"], line["after"][direction][index]) for line in lines])
    ]
    intervals = bootstrap_intervals(
        [[after - before for before, after in found] for _, found in measured], settings.seed
    )
    return [
        {
            **record,
            "rows": len(found),
            "before": mean([before for before, _ in found]),
            "after": mean([after for _, after in found]),
            "change": mean([after - before for before, after in found]),
            "low": low,
            "high": high,
            "fell": mean([float(after < before) for before, after in found]),
        }
        for (record, found), (low, high) in zip(measured, intervals, strict=True)
    ]


def pairs_of(rows: list[tuple[dict, dict]]) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """(measure, (before, after) of each row that has it) for every measure that some row has."""
    for measure in dict.fromkeys(name for before, _ in rows for name in before):
        yield measure, [(before[measure], after[measure]) for before, after in rows if measure in before]
