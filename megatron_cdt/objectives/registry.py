"""The training methods by their name in the settings: the only list of them.

An Objective is named, not imported: torch takes seconds, and the workflow checks settings without it; and so an edit of
one method leaves the trainings of the others alone.
"""

import importlib
from typing import TYPE_CHECKING, Literal

from pydantic import Field, create_model

from contracts.settings import Settings
from megatron_cdt.objectives.cdt import CdtSettings
from megatron_cdt.objectives.focused import FocusedSettings
from megatron_cdt.objectives.logo import LogoSettings
from megatron_cdt.objectives.longce import LongCeSettings
from megatron_cdt.objectives.method import Method, SectionSettings

if TYPE_CHECKING:
    from megatron.core.process_groups_config import ProcessGroupCollection

    from megatron_cdt.objectives.objective import Objective

METHODS: dict[str, Method] = {
    "ce": Method("all tokens", "megatron_cdt.objectives.ce:CrossEntropy"),
    "sft": Method("answers", "megatron_cdt.objectives.sft:SupervisedFineTuning"),
    "longce": Method("reweighted", "megatron_cdt.objectives.longce.objective:LongCe", LongCeSettings, "LongCE"),
    "cdt": Method(
        "denoised", "megatron_cdt.objectives.cdt.objective:ContextDenoising", CdtSettings, "context denoising"
    ),
    "logo": Method("preference", "megatron_cdt.objectives.logo.objective:Logo", LogoSettings, "LOGO"),
    "focused": Method(
        "contrast of masked pairs",
        "megatron_cdt.objectives.focused.objective:Focused",
        FocusedSettings,
        "Focused Learning",
        pairs=True,
    ),
}


def objective_class(name: str) -> "type[Objective]":
    """The class of a method; its module is imported now."""
    module, _, kind = METHODS[name].objective.partition(":")
    return getattr(importlib.import_module(module), kind)


class MethodChoice(Settings):
    """A method by its name, and the sections of all."""

    method: str

    def section_of(self, method: str) -> SectionSettings:
        """The settings of one method."""
        return getattr(self, method, SectionSettings())

    @property
    def section(self) -> SectionSettings:
        """The settings of the method itself."""
        return self.section_of(self.method)


def build_objective(settings: MethodChoice, groups: "ProcessGroupCollection") -> "Objective":
    """The objective of `settings.method`, with that method's own section."""
    return objective_class(settings.method)(groups, settings.section)


MethodSettings = create_model(
    "MethodSettings",
    __base__=MethodChoice,
    __doc__="Which objective is trained; of the sections only the method's own is read.",
    __module__=__name__,
    method=(
        Literal[*METHODS],
        Field(
            default="ce",
            description=f"objective: {', '.join(f'{name} ({method.word})' for name, method in METHODS.items())}",
        ),
    ),
    **{
        name: (
            method.settings,
            Field(default=method.settings(), description=f"{method.title}; read where method is {name}"),
        )
        for name, method in METHODS.items()
        if method.settings
    },
)
