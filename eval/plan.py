"""Which cells of a run are answered together, so that small ones share one loaded model.

in : the plan that the workflow writes (see eval.cells): {"MODEL/INFERENCE/BENCHMARK": [part, ...]}, a part being a
     list of [samples file, predictions file]
out: the other cells of a cell's part
A cell's own job answers it first and then goes on with its part; the jobs of those cells find their answers there.
"""

from pathlib import Path

from contracts.errors import InputError
from eval.samples import read_json

Cell = tuple[str, str]


def other_cells(plan: str, outputs: list[str]) -> list[Cell]:
    """The (samples, predictions) that share a part with one of `outputs`, those left out; [] where the plan is gone."""
    if not Path(plan).is_file():
        return []
    try:
        planned = [part for group in read_json(Path(plan)).values() for part in group]
        return [
            (samples, output)
            for part in planned
            if any(output in outputs for _, output in part)
            for samples, output in part
            if output not in outputs
        ]
    except (TypeError, ValueError, AttributeError):
        raise InputError(f"{plan}: not a plan of cells; start the workflow again") from None
