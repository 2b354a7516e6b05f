"""What is known of a training method without torch, so that a configuration is checked in a moment on any machine.

A method with settings is a package: their class in its `__init__.py`, its Objective beside it.
"""

from dataclasses import dataclass

from contracts.settings import Settings
from megatron_cdt.engine.options import Fp8Pass


class SectionSettings(Settings):
    """What a method's section says beside its knobs: what the model needs for it."""

    @property
    def fp32_residual(self) -> bool:
        """Whether embeddings and residual stream stay fp32 under 16-bit weights."""
        return False

    @property
    def fp8_pass(self) -> Fp8Pass | None:
        """The pass of the method that runs in FP8; None where none does."""
        return None


@dataclass(frozen=True)
class Method:
    """One method: what it is in a word, its Objective as module:class (named, not imported), its settings' class.

    `title` names the section of its settings.
    """

    word: str
    objective: str
    settings: type[SectionSettings] | None = None
    title: str = ""
    # Learns from pairs of a sample and its masked twin, which a run packs beside its other rows.
    pairs: bool = False

    @property
    def module(self) -> str:
        """The module behind its steps."""
        return self.objective.partition(":")[0]
