"""The training methods by their name in the settings."""

from megatron.core.process_groups_config import ProcessGroupCollection

from megatron_cdt.objectives.cdt import ContextDenoising
from megatron_cdt.objectives.ce import CrossEntropy
from megatron_cdt.objectives.logo import Logo
from megatron_cdt.objectives.longce import LongCe
from megatron_cdt.objectives.objective import Objective
from megatron_cdt.objectives.settings import MethodSettings
from megatron_cdt.objectives.sft import SupervisedFineTuning

METHODS: dict[str, type[Objective]] = {
    "ce": CrossEntropy,
    "sft": SupervisedFineTuning,
    "longce": LongCe,
    "cdt": ContextDenoising,
    "logo": Logo,
}


def build_objective(settings: MethodSettings, groups: ProcessGroupCollection) -> Objective:
    """The objective of `settings.method`, with that method's own section."""
    return METHODS[settings.method].of_run(settings, groups)
