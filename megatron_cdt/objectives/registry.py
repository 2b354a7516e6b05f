"""The training methods by their name in the settings."""

from collections.abc import Callable

from megatron.core.process_groups_config import ProcessGroupCollection

from contracts.errors import InputError
from megatron_cdt.objectives.cdt import ContextDenoising
from megatron_cdt.objectives.ce import CrossEntropy
from megatron_cdt.objectives.settings import CdtSettings


def build_objective(method: str, cdt: CdtSettings, groups: ProcessGroupCollection) -> Callable:
    """objective(model, row, lr_nominal=, lr_scheduled=) -> (this rank's loss sum, telemetry of the whole row)."""
    builders = {"ce": lambda: CrossEntropy(groups), "cdt": lambda: ContextDenoising(cdt, groups)}
    if method not in builders:
        raise InputError(f"method: '{method}' is not known; choose one of {', '.join(builders)}")
    return builders[method]()
