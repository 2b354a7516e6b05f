"""Where a run's numbers go besides its folder: TensorBoard and Weights & Biases, where asked for and installed.

in : the values of each step (rank 0 only); None (not known) is left out
Neither changes a number of the run. Weights & Biases works offline unless WANDB_MODE says otherwise.
"""

import importlib
import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from contracts.errors import InputError
from contracts.fingerprint import sha256_text

PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb"}


class Sink(Protocol):
    """Takes the numbers of steps."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """The values after optimizer step `step`."""

    def close(self) -> None:
        """Flush, and let go."""


class TensorBoard:
    """Event files in <run folder>/tensorboard; `tensorboard --logdir` shows them."""

    def __init__(self, folder: Path, first_step: int) -> None:
        module = importlib.import_module("torch.utils.tensorboard")
        # Steps that a killed run wrote after its last checkpoint are trained again: the old points are dropped.
        self.writer = module.SummaryWriter(log_dir=str(folder / "tensorboard"), purge_step=first_step)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


class WeightsAndBiases:
    """A run in <run folder>/wandb, named as the run folder; `wandb sync` uploads it.

    Every start of one run folder has one id, so that a run that was killed and goes on is one run there too.
    """

    def __init__(self, folder: Path, settings: Mapping) -> None:
        module = importlib.import_module("wandb")
        mode = os.environ.get("WANDB_MODE", "offline")
        self.run = module.init(
            project="megatron-cdt",
            name=folder.name,
            id=sha256_text(str(folder.resolve()))[:16],
            resume="allow",
            dir=str(folder),
            config=settings,
            mode=mode,
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def close(self) -> None:
        self.run.finish()


def check_sinks(names: Sequence[str]) -> None:
    """One line with the cure where a sink is asked for whose package is not installed."""
    for name in names:
        if importlib.util.find_spec(PACKAGES[name]) is None:
            raise InputError(
                f"train.sinks: {name} is not installed; pip install {PACKAGES[name]}, or take it out of sinks"
            )


def open_sinks(names: Sequence[str], folder: Path, settings: Mapping, first_step: int) -> list[Sink]:
    """The sinks that the settings ask for, going on at `first_step`."""
    check_sinks(names)
    makers = {
        "tensorboard": lambda: TensorBoard(folder, first_step),
        "wandb": lambda: WeightsAndBiases(folder, settings),
    }
    return [makers[name]() for name in names]
