"""What a step is told about: exact totals over all ranks, one line for people, one record for machines.

Invariant: metrics hold no time, so that two runs of the same numbers have the same bytes; times, rates and
memory go to timing.jsonl.
"""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from megatron.core.process_groups_config import ProcessGroupCollection
from tqdm import tqdm

from megatron_cdt.engine.device import device
from megatron_cdt.engine.parallel import sum_over
from megatron_cdt.engine.pipeline import is_last_stage, speaks_for_row
from megatron_cdt.objectives.objective import Objective
from megatron_cdt.objectives.row import LocalRow


@dataclass
class StepTotals:
    """Sums over the rows of one data parallel rank; `over_all_ranks` makes them those of the step."""

    objective: Objective
    loss_sum: float = 0.0  # nats, of this rank's own tokens
    own_units: int = 0  # this rank's share of what the loss sum is divided by (labelled tokens; preferences)
    tokens: int = 0  # real tokens of whole rows
    learned: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("rows", "tokens", "labels"), 0.0))
    telemetry: dict[str, float] = field(default_factory=dict)  # weighted sums over the rows
    bad_rows: list[int] = field(default_factory=list)  # rows whose loss is not finite here

    def add(self, index: int, row: LocalRow, loss_sum: float, telemetry: Mapping[str, float]) -> None:
        """Count one row that has labels."""
        self.loss_sum += loss_sum
        self.own_units += self.objective.own_units(row)
        of_row = {"rows": 1, "tokens": row.num_tokens, "labels": row.num_labels}
        self.learned = {name: value + of_row[name] for name, value in self.learned.items()}
        for name, column in self.objective.telemetry.items():
            self.telemetry[name] = self.telemetry.get(name, 0.0) + of_row[column.weight] * telemetry[name]
        if not math.isfinite(loss_sum):
            self.bad_rows.append(index)

    def over_all_ranks(self, groups: ProcessGroupCollection) -> dict[str, float]:
        """loss_sum, units, tokens and the mean telemetry of the step, the same on every rank (fp64)."""
        weights = {name: column.weight for name, column in self.objective.telemetry.items()}
        whole_rows = {"all_tokens": self.tokens, **self.learned, **dict.fromkeys(weights, 0.0), **self.telemetry}
        # Ranks that share a row know the same about it: only one of them may count it.
        counted = whole_rows if speaks_for_row(groups) else dict.fromkeys(whole_rows, 0.0)
        units = self.own_units if is_last_stage(groups) else 0
        own = torch.tensor([self.loss_sum, units, *counted.values()], dtype=torch.float64, device=device())
        loss_sum, units, *sums = sum_over(own, groups.dp_cp, groups.pp).tolist()
        total = dict(zip(whole_rows, sums, strict=True))
        means = {name: total[name] / max(total[weight], 1.0) for name, weight in weights.items()}
        return {"loss_sum": loss_sum, "units": units, "tokens": total["all_tokens"]} | means


# name: (title, format) of what every method tells.
COMMON_COLUMNS = {
    "loss": ("loss", "{:>9.5f}"),
    "grad_norm": ("grad norm", "{:>9.4f}"),
    "lr": ("lr", "{:>9.2e}"),
    "tokens_per_second": ("tokens/s", "{:>9,.0f}"),
    "tflops_per_second": ("TFLOP/s", "{:>9.3f}"),
    "mfu": ("MFU", "{:>9.1%}"),
    "memory_mib": ("MiB", "{:>9,.0f}"),
}


class LogLines:
    """Aligned lines for people; full precision is in metrics.jsonl.

    A value that a run does not have is left out, one that is not known (None) reads n/a.
    """

    def __init__(self, method: type[Objective], last_step: int) -> None:
        own = {name: (column.log_title, column.log_format) for name, column in method.telemetry.items()}
        self.columns = COMMON_COLUMNS | {name: shown for name, shown in own.items() if shown[0]}
        self.last_step = last_step
        # Characters of the first column, e.g. `100/100`.
        self.step_width = max(len("step"), 2 * len(str(last_step)) + 1)

    def title(self, values: Mapping[str, float]) -> str:
        """The titles above the lines."""
        titles = [f"{title:>9}" for name, (title, _) in self.columns.items() if name in values]
        return "  ".join(["step".rjust(self.step_width), *titles])

    def line(self, values: Mapping[str, float]) -> str:
        """The line of a step."""
        step = f"{values['step']}/{self.last_step}".rjust(self.step_width)
        shown = {name: form for name, (_, form) in self.columns.items() if name in values}
        cells = ["n/a".rjust(9) if values[name] is None else form.format(values[name]) for name, form in shown.items()]
        return "  ".join([step, *cells])


def telemetry_words(method: type[Objective]) -> dict:
    """What telemetry.json says: every value's words for a figure, and what the report has to know of the method."""
    shown_keys = ("title", "unit", "least", "remark")
    return {
        "explanation": method.explanation,
        "plain_loss": method.plain_loss,
        "plain_loss_reason": method.plain_loss_reason,
        "columns": {
            name: {key: getattr(column, key) for key in shown_keys} for name, column in method.telemetry.items()
        },
    }


def say(text: str) -> None:
    """One line on stderr that does not tear the progress bar of a terminal."""
    tqdm.write(text, file=sys.stderr)
