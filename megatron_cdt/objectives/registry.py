"""The training methods by their name in the settings."""

from megatron.core.process_groups_config import ProcessGroupCollection

from megatron_cdt.objectives.cdt import ContextDenoising
from megatron_cdt.objectives.ce import CrossEntropy
from megatron_cdt.objectives.logo import Logo
from megatron_cdt.objectives.longce import LongCe
from megatron_cdt.objectives.objective import Objective
from megatron_cdt.objectives.settings import MethodSettings
from megatron_cdt.objectives.sft import SupervisedFineTuning


def build_objective(settings: MethodSettings, groups: ProcessGroupCollection) -> Objective:
    """The objective of `settings.method`, with that method's own section."""
    match settings.method:
        case "ce":
            return CrossEntropy(groups)
        case "sft":
            return SupervisedFineTuning(groups)
        case "longce":
            return LongCe(settings.longce, groups)
        case "cdt":
            return ContextDenoising(settings.cdt, groups)
        case "logo":
            return Logo(settings.logo, groups)
