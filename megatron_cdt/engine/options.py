"""What the engine can be told, in types alone. No torch here: settings are checked without loading it."""

from dataclasses import dataclass
from typing import Literal

# The variable that names the open socket at which the processes of a run meet, where one launcher started them all.
LISTENER = "MEGATRON_CDT_LISTENER"
# Layers computed again in the backward pass; megatron-core's options for each are in engine/model.py.
Recompute = Literal["none", "selective", "full"]


@dataclass(frozen=True)
class Fp8Pass:
    """A pass in FP8, in the words of the settings that ask for it: their key, and how to do without."""

    key: str
    cure: str


@dataclass(frozen=True)
class Layout:
    """Sizes of the parallel dimensions, in processes; data parallel is what remains of the world."""

    tensor: int = 1
    pipeline: int = 1
    context: int = 1

    @property
    def model_parallel(self) -> int:
        """Processes that hold one replica together."""
        return self.tensor * self.pipeline * self.context
