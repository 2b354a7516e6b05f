"""What manual denoising did, as means over rows: one record for every direction, step and measure.

in : the lines of rows (eval.analysis.denoising.denoised)
out: {"direction", "step", "measure", "rows", "before", "after", "change", "low", "high"}: `change` is the mean over
     rows of after minus before, `low` and `high` its 95 % bootstrap interval
Loss in nats a token; right and token_accuracy as shares; attention.KIND as the share of the weight that lies on the
tokens of that kind. Names with "other." are of the other questions to the same text, means over rows that have some.
"""

from collections.abc import Iterator

from eval.analysis.denoising_settings import DenoisingSettings
from eval.scoring.scored import mean
from eval.scoring.statistics import bootstrap_interval


def denoising_records(lines: list[dict], settings: DenoisingSettings) -> list[dict]:
    """The records in the order of directions, steps and measures."""
    return [
        {"direction": direction, "step": step, **record}
        for direction in settings.directions
        for index, step in enumerate(settings.steps)
        for record in step_records([(line["before"], line["after"][direction][index]) for line in lines], settings.seed)
    ]


def step_records(pairs: list[tuple[dict, dict]], seed: int) -> Iterator[dict]:
    """One record for every measure that some row has, from (before, after) of each row."""
    for measure in dict.fromkeys(name for before, _ in pairs for name in before):
        found = [(before[measure], after[measure]) for before, after in pairs if measure in before]
        changes = [after - before for before, after in found]
        low, high = bootstrap_interval([changes], seed)
        yield {
            "measure": measure,
            "rows": len(found),
            "before": mean([before for before, _ in found]),
            "after": mean([after for _, after in found]),
            "change": mean(changes),
            "low": low,
            "high": high,
        }
